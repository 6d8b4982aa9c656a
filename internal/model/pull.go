package model

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// PullOptions say where a model is pulled from, and, as for Add, what its files don't say.
type PullOptions struct {
	AddOptions
	Endpoint    string        // defaults to https://huggingface.co
	Token       string        // sent to the endpoint's host alone
	IdleTimeout time.Duration // longest time in which nothing comes; defaults to a minute
	Retries     int           // tries in a row that may bring nothing; defaults to 5
	Backoff     time.Duration // pause after the first of them, then doubled; defaults to a second

	Transport http.RoundTripper // defaults to one with the environment's proxy

	// Progress, which may be nil, is told how much of a file is there, and of how much (done again where that is unknown).
	Progress func(file string, done, total int64)
}

// Pull brings a model from a hub; ref is owner/name[@revision], where revision is a branch, a tag or a commit and
// defaults to main. The revision is resolved to a commit, and the manifest keeps that and every file's hash: pulling the
// same commit again verifies instead, mends what is missing, and refuses files that are others than the first time.
// Only the files that redkite needs are fetched. What was fetched before an interruption is kept and gone on from.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (Spec, error) {
	r, err := parseReference(ref)
	if err != nil {
		return Spec{}, err
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = time.Minute
	}
	if o.Retries <= 0 {
		o.Retries = 5
	}
	if o.Backoff <= 0 {
		o.Backoff = time.Second
	}
	h, err := newHub(o)
	if err != nil {
		return Spec{}, err
	}
	home, unlock, err := s.lockHome()
	if err != nil {
		return Spec{}, err
	}
	defer unlock()
	l, err := h.list(ctx, r)
	if err != nil {
		return Spec{}, err
	}
	return s.pull(ctx, home, &pulling{hub: h, ref: r, listing: l, dir: filepath.Join(home, ".pulling", r.owner+"--"+r.name+"--"+l.Commit)})
}

// pulling is a pull of one commit; files gather in dir.
type pulling struct {
	hub     *hub
	ref     reference
	listing listing
	dir     string
}

func (p *pulling) repository() string {
	return p.hub.endpoint.JoinPath(p.ref.owner, p.ref.name).String()
}

func (s *Store) pull(ctx context.Context, home string, p *pulling) (Spec, error) {
	o := p.hub.options.AddOptions
	name := first(o.Name, p.ref.name)
	if err := s.Reload(); err != nil {
		return Spec{}, err
	}
	if there, ok := s.lookUp(name); ok {
		if there.Provenance.Repository != p.repository() || there.Provenance.Revision != p.listing.Commit {
			return Spec{}, &rag.Problem{Kind: rag.ErrConflict, Code: "model_exists", Message: fmt.Sprintf(
				"there is a model %s already, from %s at %s, and %s is at %s; give the new one another name", name,
				there.Source, first(there.Provenance.Revision, "no stated revision"), p.ref.repository(), p.listing.Commit)}
		}
		return p.again(ctx, there)
	}
	graph, err := p.gather(ctx, o.Graph)
	if err != nil {
		return Spec{}, err
	}
	o.Graph = graph
	o.Source = first(o.Source, p.repository())
	c, err := inspect(p.dir, p.ref.name, o)
	if err != nil {
		return Spec{}, err
	}
	c.spec.Provenance = Provenance{Repository: p.repository(), Revision: p.listing.Commit}
	spec, err := s.install(ctx, home, p.dir, c)
	if err != nil {
		return Spec{}, err
	}
	return spec, os.RemoveAll(p.dir)
}

// gather fetches what describes the model, then its graph, then the weights that the graph keeps elsewhere. It gives
// the graph's path.
func (p *pulling) gather(ctx context.Context, wanted string) (string, error) {
	var graphs []string
	for _, f := range p.listing.Files {
		if path.Ext(f.Path) == ".onnx" {
			graphs = append(graphs, f.Path)
		}
	}
	graph, err := chooseGraph(graphs, wanted, p.ref.repository())
	if err != nil {
		return "", err
	}
	if _, ok := p.listing.find(tokenizerFile); !ok {
		return "", invalid("model_unfit", "%s has no %s, which the model needs", p.ref.repository(), tokenizerFile)
	}
	for _, name := range append(describingFiles(), licenceFiles()...) {
		if err := p.fetch(ctx, name, false); err != nil {
			return "", err
		}
	}
	for _, name := range []string{tokenizerFile, graph} {
		if err := p.fetch(ctx, name, true); err != nil {
			return "", err
		}
	}
	g, err := ReadGraph(p.place(graph))
	if err != nil {
		return "", invalid("model_unfit", "%s of %s is no ONNX model that redkite can read: %v", graph, p.ref.repository(), err)
	}
	for _, name := range g.External {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return "", invalid("model_unfit", "%s keeps weights in %q, which is not beside it", graph, clip(name))
		}
		if err := p.fetch(ctx, path.Join(path.Dir(graph), name), true); err != nil {
			return "", err
		}
	}
	return graph, nil
}

func (p *pulling) place(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

// fetch brings one file of the listing. One that isn't listed is an error only where it is needed.
func (p *pulling) fetch(ctx context.Context, name string, needed bool) error {
	f, ok := p.listing.find(name)
	if !ok && needed {
		return invalid("model_unfit", "%s has no %s, which the model needs", p.ref.repository(), name)
	}
	if !ok || f.Path == "" || !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil
	}
	return p.hub.fetch(ctx, p.ref, p.listing.Commit, name, f.expect(), p.place(name))
}

// again verifies a model that was pulled at this commit before.
func (p *pulling) again(ctx context.Context, spec Spec) (Spec, error) {
	if wanted := p.hub.options.Graph; wanted != "" {
		if f, _ := spec.file(RoleGraph); f.Origin != wanted && f.Origin != "onnx/"+wanted {
			return Spec{}, &rag.Problem{Kind: rag.ErrConflict, Code: "model_exists", Message: fmt.Sprintf(
				"the model %s is there with the graph %s; pull %s under another name", spec.Name, f.Origin, clip(wanted))}
		}
	}
	for _, f := range spec.Files {
		if err := p.stillSame(ctx, spec, f); err != nil {
			return Spec{}, err
		}
		if err := p.mend(ctx, spec, f); err != nil {
			return Spec{}, err
		}
	}
	if err := verify(ctx, spec, nil); err != nil {
		return Spec{}, err
	}
	return spec, os.RemoveAll(p.dir)
}

// stillSame asks whether the hub still has the file that was pinned.
func (p *pulling) stillSame(ctx context.Context, spec Spec, f File) error {
	listed, ok := p.listing.find(f.Origin)
	if !ok {
		return p.moved(spec, f, "no such file")
	}
	now := listed.expect()
	if now.sha256 == "" && now.blob == "" {
		if err := p.hub.head(ctx, p.ref, p.listing.Commit, f.Origin, &now); err != nil {
			return err
		}
	}
	if now.size > 0 && now.size != f.Bytes {
		return p.moved(spec, f, fmt.Sprintf("%d bytes instead of %d", now.size, f.Bytes))
	}
	if now.sha256 != "" && now.sha256 != f.SHA256 {
		return p.moved(spec, f, "sha256 "+now.sha256+" instead of "+f.SHA256)
	}
	if now.blob == "" {
		return nil
	}
	// A git blob's name can only be compared where the pinned content is there to compute it from.
	if here, err := hashFile(ctx, spec.path(f), nil); err != nil || here != f.SHA256 {
		return nil //nolint:nilerr // mend reports it
	}
	blob, err := gitBlob(ctx, spec.path(f), f.Bytes)
	if err == nil && blob != now.blob {
		err = p.moved(spec, f, "git blob "+now.blob+" instead of "+blob)
	}
	return err
}

func (p *pulling) moved(spec Spec, f File, found string) error {
	return invalid("model_hash", "model %s is pinned to %s, where %s now has for %s: %s; a commit's files never change, so don't trust this hub",
		spec.Name, p.listing.Commit, p.hub.endpoint.Host, f.Origin, found)
}

// mend fetches a pinned file that is missing here or has changed; only the pinned content is accepted.
func (p *pulling) mend(ctx context.Context, spec Spec, f File) error {
	if here, err := hashFile(ctx, spec.path(f), nil); err == nil && here == f.SHA256 {
		return nil
	} else if ctx.Err() != nil {
		return ctx.Err()
	}
	want := expected{size: f.Bytes, sha256: f.SHA256}
	if err := p.hub.fetch(ctx, p.ref, p.listing.Commit, f.Origin, want, p.place(f.Origin)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(spec.path(f)), 0o750); err != nil {
		return fmt.Errorf("mend model %s: %w", spec.Name, err)
	}
	if err := os.Rename(p.place(f.Origin), spec.path(f)); err != nil {
		return fmt.Errorf("mend model %s: %w", spec.Name, err)
	}
	return nil
}

// head asks for what a hub's headers say of a file.
func (h *hub) head(ctx context.Context, ref reference, commit, name string, e *expected) error {
	err := h.retry(ctx, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, h.options.IdleTimeout)
		defer cancel()
		res, err := h.send(ctx, http.MethodHead, h.fileURL(ref, commit, name), nil)
		if err != nil {
			return false, err
		}
		if res.StatusCode != http.StatusOK {
			return false, errors.Join(statusError(res, ref.repository()+"/"+name), res.Body.Close())
		}
		e.learn(res)
		return false, res.Body.Close()
	})
	if err != nil {
		return fmt.Errorf("ask for %s of %s: %w", name, strings.TrimPrefix(ref.repository(), "/"), err)
	}
	return nil
}
