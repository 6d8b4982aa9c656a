package llm

import (
	"strings"
	"testing"
)

// TestCounters compares with what another implementation (bpe-openai 0.1.4 for Python) counts: 16 and 20 tokens.
func TestCounters(t *testing.T) {
	const text = "Red kites glide over the farmland. 赤トビが滑空する。"
	tests := []struct {
		model, name, by string
		want            int
	}{
		{"gpt-4o-mini", "", O200k, 16}, {"openai/gpt-oss-20b", "", O200k, 16}, {"gpt-5.1", "", O200k, 16}, {"o3-mini", "", O200k, 16}, {"", "", O200k, 16},
		{"gpt-4-turbo", "", CL100k, 20}, {"ft:gpt-3.5-turbo:acme", "", CL100k, 20},
		{"llama3.2:3b", "", "cl100k_base x 1.2", 24}, {"Qwen/Qwen3-8B", "", "cl100k_base x 1.2", 24}, {"olmo-2", "", "cl100k_base x 1.2", 24},
		{"llama3.2:3b", CL100k, CL100k, 20},
	}
	for _, test := range tests {
		c, err := NewCounters(test.model).Counter(test.name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.Count(text)
		if err != nil || n != test.want || c.Name() != test.by {
			t.Errorf("%s %s: %d tokens by %s, %v", test.model, test.name, n, c.Name(), err)
		}
	}
	if _, err := NewCounters("").Counter("p50k_base"); err == nil {
		t.Error("an unknown tokenizer was taken")
	}
	c, err := NewCounters("").Counter(O200k)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count("<|endoftext|>"); err != nil || n < 2 {
		t.Errorf("a special token spelled out is %d tokens, %v", n, err)
	}
}

func BenchmarkCount(b *testing.B) {
	c, err := NewCounters("").Counter(O200k)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("The red kite glides over the farmland, and it has a forked tail. ", 150)
	n, err := c.Count(text)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Count(text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n), "tokens")
}
