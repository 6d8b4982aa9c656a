package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/onnx"
	"github.com/redkite/redkite/internal/rag"
)

// EncoderBench says what BenchEncoder runs.
type EncoderBench struct {
	Kind      string // bi-encoder or cross-encoder
	Graph     string // ONNX file
	Tokenizer string // tokenizer.json
	Texts     string // file of JSON lines with "query" and "passage"; the first line's query is asked of all passages
	MaxTokens int
}

// BenchRun is one run over all texts, tokenising included.
type BenchRun struct {
	WallMS  float64 `json:"wall_ms"`
	CPUMS   float64 `json:"cpu_ms"` // user and system, of this process
	Threads int     `json:"threads"`
	Texts   int     `json:"texts"`

	Logits     []float32       `json:"logits,omitempty"`     // of a cross-encoder
	Embeddings []rag.Embedding `json:"embeddings,omitempty"` // of a bi-encoder
}

// BenchEncoder opens a model and runs it over the texts once for each line that it reads from in, writing a BenchRun as a
// line of JSON each time: so another program can time other encoders in between, on the same cores. Nothing is kept
// from one run for the next.
func BenchEncoder(ctx context.Context, s config.Settings, b EncoderBench, in io.Reader, out io.Writer) (err error) {
	query, passages, err := readBenchTexts(b.Texts)
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
	session, tokens, err := openModel(library, b.Graph, b.Tokenizer, onnx.Options{Provider: s.ExecutionProvider})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close(), tokens.Close()) }()
	lanes := newLanes(s)
	run := func() (BenchRun, error) {
		scores, err := encode.NewCrossEncoder(session, tokens, encode.CrossSpec{MaxTokens: b.MaxTokens}, lanes).Score(ctx, encode.Pairs{Query: query, Passages: passages})
		return BenchRun{Logits: scores.Logits}, err
	}
	if b.Kind == string(model.BiEncoder) {
		run = func() (BenchRun, error) {
			spec := encode.BiSpec{MaxTokens: b.MaxTokens, Pooling: encode.PoolCLS, Normalize: true, Dimension: 384}
			embeddings, err := encode.NewBiEncoder(session, tokens, spec, lanes).EmbedPassages(ctx, passages)
			return BenchRun{Embeddings: embeddings}, err
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
		done.Threads, done.Texts = lanes.Size(), len(passages)
		if err := json.NewEncoder(out).Encode(done); err != nil {
			return err
		}
	}
	return lines.Err()
}

func readBenchTexts(path string) (query string, passages []string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", nil, fmt.Errorf("read texts: %w", err)
	}
	defer file.Close()
	lines := json.NewDecoder(file)
	for {
		var row struct{ Query, Passage string }
		if err := lines.Decode(&row); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", nil, fmt.Errorf("read texts of %s: %w", path, err)
		}
		if query == "" {
			query = row.Query
		}
		passages = append(passages, row.Passage)
	}
	if len(passages) == 0 {
		return "", nil, fmt.Errorf("read texts: %s has none", path)
	}
	return query, passages, nil
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
