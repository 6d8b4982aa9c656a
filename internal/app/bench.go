package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/onnx"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/tokenizer"
)

// EncoderBench says what BenchEncoder runs.
type EncoderBench struct {
	Kind      string // bi-encoder or cross-encoder
	Graph     string // ONNX file
	Tokenizer string // tokenizer.json
	Texts     string // file of JSON lines with "query" and "passage"
	MaxTokens int
	Dimension int // of a bi-encoder
}

// BenchRun is one run over all texts, tokenising included.
type BenchRun struct {
	WallMS  float64 `json:"wall_ms"`
	CPUMS   float64 `json:"cpu_ms"` // user and system, of this process
	Threads int     `json:"threads"`
	Kernels string  `json:"kernels"`
	Texts   int     `json:"texts"`

	Logits     []float32       `json:"logits,omitempty"`     // of a cross-encoder
	Embeddings []rag.Embedding `json:"embeddings,omitempty"` // of a bi-encoder
}

// BenchEncoder opens a model and runs it over the texts once for each line that it reads from in, writing a BenchRun as a
// line of JSON each time: so another program can time other encoders in between, on the same cores. Nothing is kept
// from one run for the next.
func BenchEncoder(ctx context.Context, s config.Settings, b EncoderBench, in io.Reader, out io.Writer) (err error) {
	asked, err := readBenchTexts(b.Texts)
	if err != nil {
		return err
	}
	path, err := findRuntime(s)
	if err != nil {
		return err
	}
	library, err := onnx.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, library.Close()) }()
	tokens, err := tokenizer.Open(b.Tokenizer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	session, kernels, err := openSession(ctx, library, b.Graph, howToRun{provider: s.ExecutionProvider, kernels: s.Kernels}, slog.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	lanes := newLanes(s)
	run := func() (BenchRun, error) { return benchPairs(ctx, session, tokens, b.MaxTokens, lanes, asked) }
	if b.Kind == string(model.BiEncoder) {
		run = func() (BenchRun, error) {
			spec := encode.BiSpec{MaxTokens: b.MaxTokens, Pooling: encode.PoolCLS, Normalize: true, Dimension: b.Dimension}
			var passages []string
			for _, a := range asked {
				passages = append(passages, a.Passages...)
			}
			embeddings, err := encode.NewBiEncoder(session, tokens, spec, lanes).EmbedPassages(ctx, passages)
			return BenchRun{Embeddings: embeddings, Texts: len(passages)}, err
		}
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		before, start := processorTime(), time.Now()
		done, err := run()
		if err != nil {
			return err
		}
		done.WallMS, done.CPUMS = milliseconds(time.Since(start)), milliseconds(processorTime()-before)
		done.Threads, done.Kernels = lanes.Size(), kernels
		if err := json.NewEncoder(out).Encode(done); err != nil {
			return err
		}
	}
	return lines.Err()
}

// benchPairs scores the passages of each query.
func benchPairs(ctx context.Context, s session, t *tokenizer.Tokenizer, maxTokens int, lanes *encode.Lanes, asked []encode.Pairs) (BenchRun, error) {
	encoder := encode.NewCrossEncoder(s, t, encode.CrossSpec{MaxTokens: maxTokens}, lanes)
	var done BenchRun
	for _, pairs := range asked {
		scores, err := encoder.Score(ctx, pairs)
		if err != nil {
			return done, err
		}
		done.Logits, done.Texts = append(done.Logits, scores.Logits...), done.Texts+len(pairs.Passages)
	}
	return done, nil
}

// readBenchTexts reads a file of pairs; those that follow each other with the same query are asked together.
func readBenchTexts(path string) (asked []encode.Pairs, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read texts: %w", err)
	}
	defer file.Close()
	lines := json.NewDecoder(file)
	for {
		var row struct{ Query, Passage string }
		if err := lines.Decode(&row); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read texts of %s: %w", path, err)
		}
		if n := len(asked); n == 0 || asked[n-1].Query != row.Query {
			asked = append(asked, encode.Pairs{Query: row.Query})
		}
		last := &asked[len(asked)-1]
		last.Passages = append(last.Passages, row.Passage)
	}
	if len(asked) == 0 {
		return nil, fmt.Errorf("read texts: %s has none", path)
	}
	return asked, nil
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
