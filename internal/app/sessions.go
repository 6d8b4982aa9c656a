package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/redkite/redkite/internal/bert"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/onnx"
)

// session is an open graph.
type session interface {
	encode.Session
	Close() error
}

// howToRun says what runs graphs.
type howToRun struct {
	provider string // of ONNX Runtime's
	kernels  string // autoKernels, onnxKernels, or some of bert's
}

const (
	autoKernels = "auto"
	onnxKernels = "onnxruntime"
)

// openSession opens a graph for redkite's own kernels, where it and the processor are for them, or for ONNX Runtime, and says
// for which. ONNX Runtime is asked first in any case: what it can't load is refused, and where both run a graph their
// outputs for a few texts must agree on this machine, and redkite's kernels must be clearly faster, or ONNX Runtime keeps it.
func openSession(ctx context.Context, r *onnx.Runtime, graph string, how howToRun, log *slog.Logger) (session, string, error) {
	reference, err := r.Load(graph, onnx.Options{Provider: how.provider})
	if err != nil {
		return nil, "", err
	}
	if how.kernels == onnxKernels || how.provider != "" && how.provider != onnx.CPU {
		return reference, onnxKernels, nil
	}
	kernels := bert.Kernels(how.kernels)
	if how.kernels == autoKernels {
		kernels = ""
	}
	own, err := bert.Open(graph, kernels)
	switch {
	case errors.Is(err, bert.ErrUnsuited) && kernels == "":
		log.DebugContext(ctx, "ONNX Runtime's kernels run a model", "graph", graph, "because", err)
		return reference, onnxKernels, nil
	case err != nil:
		return nil, "", errors.Join(fmt.Errorf("open %s for the kernels %s: %w", graph, how.kernels, err), reference.Close())
	}
	if err := preferable(ctx, own, reference, kernels != ""); err != nil {
		log.InfoContext(ctx, "redkite's own kernels are not used", "graph", graph, "kernels", own.Kernels(), "because", err)
		return reference, onnxKernels, own.Close()
	}
	return own, string(own.Kernels()), reference.Close()
}

const (
	// mostApart is how far two runs of an 8-bit graph may be apart: as a part of the output's length, plus as much. The
	// two round differently; over 100 passages logits were at most 0.25 apart, embeddings 0.05 (docs/performance.md).
	mostApart = 0.2
	// leastGain is how many times faster redkite's kernels must be: with less, small changes would switch a model's
	// numbers, slightly, from start to start.
	leastGain = 1.1
	// passageTokens is the length of text that speed is compared at.
	passageTokens = 170
)

// preferable says why redkite's kernels should not run a graph: outputs apart, or, unless they are asked for, no gain.
func preferable(ctx context.Context, own, reference encode.Session, asked bool) error {
	var quickest [2]time.Duration // of runs as long as a passage
	for _, width := range []int{3, 17, passageTokens, passageTokens, passageTokens} {
		var outputs [2][]float32
		for i, s := range []encode.Session{own, reference} {
			output, took, err := trial(ctx, s, width)
			if err != nil {
				return err
			}
			if outputs[i] = output; width == passageTokens && (quickest[i] == 0 || took < quickest[i]) {
				quickest[i] = took
			}
		}
		if err := near(outputs[0], outputs[1]); err != nil {
			return fmt.Errorf("%d tokens: %w", width, err)
		}
	}
	if gain := float64(quickest[1]) / float64(quickest[0]); !asked && gain < leastGain {
		return fmt.Errorf("they are %.2f times as fast as ONNX Runtime's, and %.1f is wanted", gain, leastGain)
	}
	return nil
}

// trial runs one text of made-up tokens.
func trial(ctx context.Context, s encode.Session, width int) (output []float32, took time.Duration, err error) {
	batch := &encode.Batch{Rows: 1, Width: width, TypeIDs: make([]int64, width)}
	for i := range width {
		batch.IDs = append(batch.IDs, int64(100+i*37%800))
		batch.Mask = append(batch.Mask, 1)
	}
	start := time.Now()
	err = s.Run(ctx, batch, func(out encode.Output) error {
		output = slices.Clone(out.Data)
		return nil
	})
	return output, time.Since(start), err
}

func near(a, b []float32) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d numbers and %d", len(a), len(b))
	}
	var apart, length float64
	for i := range a {
		apart += math.Pow(float64(a[i]-b[i]), 2)
		length += math.Pow(float64(b[i]), 2)
	}
	if apart, most := math.Sqrt(apart), mostApart*(1+math.Sqrt(length)); !(apart <= most) {
		return fmt.Errorf("outputs are %.3f apart, at most %.3f is expected", apart, most)
	}
	return nil
}
