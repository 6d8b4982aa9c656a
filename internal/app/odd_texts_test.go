package app

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/tokenizer"
)

// oddTexts are what documents and clients may bring.
func oddTexts() map[string]string {
	return map[string]string{
		"empty":               "",
		"blanks":              " \t\n\u00a0\u2003",
		"ten million letters": strings.Repeat("kite ", 2_000_000),
		"one letter":          strings.Repeat("a", 1_000_000),
		"no spaces":           strings.Repeat("kitekitte", 100_000),
		"unknown scripts":     strings.Repeat("\U00012000\U00016A40\U0001E900\U000E0041", 50_000),
		"combining marks":     "a" + strings.Repeat("\u0301", 200_000),
		"joined emoji":        strings.Repeat("\U0001F469\u200d\U0001F469\u200d\U0001F467", 20_000),
		"right to left":       strings.Repeat("\u202e\u05d0\u0628", 50_000),
		"NUL and broken":      strings.Repeat("\x00\xff\xc3", 50_000),
		"special tokens":      strings.Repeat("[CLS] [SEP] [PAD] [MASK] [UNK] ", 20_000),
	}
}

// TestOddTexts runs both encoders over them: every vector is finite and of unit length, every logit finite, as a query and
// as a passage, and nothing crashes.
func TestOddTexts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	open := modelOpener(t, root)
	for _, kernels := range allKernels() {
		t.Run(kernels, func(t *testing.T) { oddTextsThrough(t, open, kernels) })
	}
}

func oddTextsThrough(t *testing.T, open func(name, kernels string) (session, *tokenizer.Tokenizer), kernels string) {
	lanes := encode.NewLanes(2)
	session, tokens := open("bge-small-en-v1.5", kernels)
	bi := encode.NewBiEncoder(session, tokens, encode.BiSpec{MaxTokens: 512, Pooling: encode.PoolCLS, Normalize: true, QueryPrefix: queryPrefix, Dimension: 384}, lanes)
	crossSession, crossTokens := open("redkite-reranker-small-en", kernels)
	cross := encode.NewCrossEncoder(crossSession, crossTokens, encode.CrossSpec{MaxTokens: 512}, lanes)
	for name, text := range oddTexts() {
		t.Run(name, func(t *testing.T) {
			passages, err := bi.EmbedPassages(t.Context(), []string{text, "A red kite has a forked tail.", text})
			if err != nil {
				t.Fatal(err)
			}
			query, err := bi.EmbedQuery(t.Context(), text)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range append(passages, query) {
				sum := 0.0
				for _, x := range v {
					sum += float64(x) * float64(x)
				}
				if len(v) != 384 || !(math.Abs(math.Sqrt(sum)-1) < 1e-4) {
					t.Errorf("vector %d has %d dimensions and length %v", i, len(v), math.Sqrt(sum))
				}
			}
			for _, pair := range []encode.Pairs{{Query: text, Passages: []string{"A red kite.", text}}, {Query: "Which bird?", Passages: []string{text}}} {
				scores, err := cross.Score(t.Context(), pair)
				if err != nil {
					t.Fatal(err)
				}
				for i, logit := range scores.Logits {
					if !scores.Scored[i] || math.IsNaN(float64(logit)) || math.IsInf(float64(logit), 0) {
						t.Errorf("logit %d is %v", i, logit)
					}
				}
			}
		})
	}
}
