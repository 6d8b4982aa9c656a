package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/onnx"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
	"github.com/redkite/redkite/internal/tokenizer"
)

// encoders are the models that are open: the cross-encoder, and bi-encoders as collections need them. All share one
// ONNX Runtime and the slots of one Lanes.
type encoders struct {
	runtime *onnx.Runtime
	store   *model.Store
	lanes   *encode.Lanes
	log     *slog.Logger
	how     howToRun
	cross   retrieve.Scorer
	reader  *encode.CrossEncoder // the one that cross ends in, alone
	defBi   model.Spec
	defCE   model.Spec

	mu      sync.Mutex
	bi      map[string]*biEncoder
	crosses []*encode.CrossEncoder
	kept    int64 // bytes of embeddings kept by each bi-encoder
	closers []func() error
}

// biEncoder is an open bi-encoder with the tokenizer that counts for it.
type biEncoder struct {
	*encode.BiEncoder
	*tokenizer.Tokenizer
	spec   model.Spec
	prefix int // tokens that the model's own prefix puts before each passage
}

// MaxTokens is how many tokens of a passage the encoder reads, special tokens and the model's prefix not counted.
func (b *biEncoder) MaxTokens() int {
	t := b.Template()
	return b.spec.MaxTokens - len(t.Prefix) - len(t.Suffix) - b.prefix
}

// passagePrefix counts the tokens of what a model puts before each passage.
func passagePrefix(t *tokenizer.Tokenizer, spec model.Spec) (int, error) {
	offsets, err := t.Offsets(spec.PassagePrefix)
	if err != nil {
		return 0, fmt.Errorf("count the passage prefix of model %s: %w", spec.Name, err)
	}
	return len(offsets), nil
}

// openEncoders starts ONNX Runtime and opens the default models. A file that is not what the manifest says stops it.
func openEncoders(ctx context.Context, library string, store *model.Store, s config.Settings, log *slog.Logger) (*encoders, error) {
	e := &encoders{
		store: store, log: log.With("component", "encoders"), bi: map[string]*biEncoder{},
		how: howToRun{provider: s.ExecutionProvider, kernels: s.Kernels}, kept: s.KeptEmbeddingBytes,
	}
	var err error
	if e.defBi, err = pick(store, model.BiEncoder, s.BiEncoder); err != nil {
		return nil, err
	}
	if e.defCE, err = pick(store, model.CrossEncoder, s.CrossEncoder); err != nil {
		return nil, err
	}
	e.lanes = newLanes(s)
	if e.runtime, err = onnx.Open(library); err != nil {
		return nil, err
	}
	if _, err := e.passages(ctx, e.defBi.Name); err != nil {
		return nil, errors.Join(err, e.close())
	}
	if e.cross, err = e.scorer(ctx, s); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// scorer opens the cross-encoder, with a smaller one before it where one is set.
func (e *encoders) scorer(ctx context.Context, s config.Settings) (retrieve.Scorer, error) {
	large, err := e.crossEncoder(ctx, e.defCE, s)
	e.reader = large
	if err != nil || s.CascadeEncoder == "" {
		return large, err
	}
	spec, err := pick(e.store, model.CrossEncoder, s.CascadeEncoder)
	if err != nil {
		return nil, err
	}
	small, err := e.crossEncoder(ctx, spec, s)
	if err != nil {
		return nil, err
	}
	return encode.Cascade{Small: small, Large: large, Keep: max(1, s.CascadeKeep)}, nil
}

func (e *encoders) crossEncoder(ctx context.Context, spec model.Spec, s config.Settings) (*encode.CrossEncoder, error) {
	session, tokens, err := e.load(ctx, spec)
	if err != nil {
		return nil, err
	}
	cross := encode.NewCrossEncoder(session, tokens, encode.CrossSpec{
		MaxTokens: spec.MaxTokens, PassageTokens: s.PassageTokens, KeptPassages: s.KeptPassages, KeptScores: s.KeptScores,
	}, e.lanes)
	e.crosses = append(e.crosses, cross)
	return cross, nil
}

// pick gives the named model, or the manifest's default of its kind.
func pick(store *model.Store, kind model.Kind, name string) (model.Spec, error) {
	if name == "" {
		return store.Default(kind)
	}
	spec, err := store.Spec(name)
	if err == nil && spec.Kind != kind {
		return spec, rag.Invalid("", "model %s is a %s, and a %s is wanted", name, spec.Kind, kind)
	}
	return spec, err
}

// load verifies a model's files and opens them.
func (e *encoders) load(ctx context.Context, spec model.Spec) (session, *tokenizer.Tokenizer, error) {
	if err := e.store.Verify(ctx, spec.Name, nil); err != nil {
		return nil, nil, err
	}
	tokens, err := tokenizer.Open(e.store.Path(spec, model.RoleTokenizer))
	if err != nil {
		return nil, nil, err
	}
	session, kernels, err := openSession(ctx, e.runtime, e.store.Path(spec, model.RoleGraph), e.how, e.log)
	if err != nil {
		return nil, nil, errors.Join(err, tokens.Close())
	}
	e.closers = append(e.closers, tokens.Close, session.Close)
	e.log.InfoContext(ctx, "model opened", "model", spec.Name, "kind", spec.Kind, "kernels", kernels)
	return session, tokens, nil
}

// newLanes makes the slots that the settings ask for.
func newLanes(s config.Settings) *encode.Lanes {
	if s.EncoderThreads > 0 {
		return encode.NewLanes(s.EncoderThreads)
	}
	return encode.NewLanes(runtime.GOMAXPROCS(0))
}

// open gives a bi-encoder by name, loaded at its first use.
func (e *encoders) open(ctx context.Context, name string) (*biEncoder, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b, ok := e.bi[name]; ok {
		return b, nil
	}
	spec, err := pick(e.store, model.BiEncoder, name)
	if err != nil {
		return nil, err
	}
	session, tokens, err := e.load(ctx, spec)
	if err != nil {
		return nil, err
	}
	prefix, err := passagePrefix(tokens, spec)
	if err != nil {
		return nil, err
	}
	b := &biEncoder{spec: spec, prefix: prefix, Tokenizer: tokens, BiEncoder: encode.NewBiEncoder(session, tokens, encode.BiSpec{
		MaxTokens: spec.MaxTokens, Pooling: spec.Pooling, Normalize: spec.Normalize, Dimension: spec.Dimension,
		QueryPrefix: spec.QueryPrefix, PassagePrefix: spec.PassagePrefix, KeptBytes: e.kept,
	}, e.lanes)}
	e.bi[name] = b
	return b, nil
}

// passages opens a bi-encoder for ingestion.
func (e *encoders) passages(ctx context.Context, name string) (ingest.Encoder, error) {
	return e.open(ctx, name)
}

// queries opens a bi-encoder for search.
func (e *encoders) queries(ctx context.Context, name string) (retrieve.Embedder, error) {
	return e.open(ctx, name)
}

// used lists what the catalog knows of models in use.
type used interface {
	BiEncoders(ctx context.Context) (map[string]int, error)
}

// openUsed opens the bi-encoder of every collection, so that a model that is gone or has another dimension than its
// collections stops the start and not the first query.
func (e *encoders) openUsed(ctx context.Context, in used) error {
	dimensions, err := in.BiEncoders(ctx)
	if err != nil {
		return err
	}
	for name, dimension := range dimensions {
		b, err := e.open(ctx, name)
		if err != nil {
			return fmt.Errorf("open the bi-encoder of existing collections: %w", err)
		}
		if b.spec.Dimension != dimension {
			return &rag.Problem{
				Kind: rag.ErrConflict, Code: "model_dimension",
				Message: fmt.Sprintf("model %s has %d dimensions and collections in the catalog were made with %d; bring the old model back under that name", name, b.spec.Dimension, dimension),
			}
		}
	}
	return nil
}

// Models lists the models for the API.
func (e *encoders) Models(context.Context) []api.Model {
	out := []api.Model{}
	for _, spec := range e.store.List() {
		out = append(out, api.Model{
			Name: spec.Name, Kind: string(spec.Kind), Dimension: spec.Dimension, MaxTokens: spec.MaxTokens, Licence: spec.Licence,
			SHA256:  spec.Digest(),
			Default: spec.Name == e.defBi.Name || spec.Name == e.defCE.Name,
		})
	}
	return out
}

// describe names what is open.
func (e *encoders) describe() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := []string{e.defCE.Name}
	for name := range e.bi {
		names = append(names, name)
	}
	slices.Sort(names)
	return "ONNX Runtime " + e.runtime.Version() + " with " + strings.Join(names, ", ")
}

// close frees the models, then the runtime.
func (e *encoders) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var failures []error
	for i := len(e.closers) - 1; i >= 0; i-- {
		failures = append(failures, e.closers[i]())
	}
	e.closers = nil
	return errors.Join(append(failures, e.runtime.Close())...)
}
