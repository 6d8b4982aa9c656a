package chunk_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/parse"
	"github.com/redkite/redkite/internal/rag"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// fieldwise is a tokenizer double: a word is a token.
type fieldwise struct{}

func (fieldwise) Offsets(text string) ([][2]int, error) {
	var out [][2]int
	at := 0
	for _, word := range strings.Fields(text) {
		start := at + strings.Index(text[at:], word)
		at = start + len(word)
		out = append(out, [2]int{start, at})
	}
	return out, nil
}

// TestGolden cuts a whole Markdown document with every strategy. docs/chunking.md shows the first.
func TestGolden(t *testing.T) {
	source, err := os.ReadFile("testdata/kites.md")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parse.New(parse.Options{}).Parse(t.Context(), rag.Original{ReadSeeker: strings.NewReader(string(source)), Size: int64(len(source)), MediaType: parse.TypeMarkdown})
	if err != nil {
		t.Fatal(err)
	}
	for _, strategy := range rag.Strategies() {
		t.Run(string(strategy), func(t *testing.T) {
			chunks, err := chunk.Split(p, rag.Chunking{Strategy: strategy, MaxTokens: 24, Overlap: 8, MinTokens: 6, ParentTokens: 48}, fieldwise{})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, "testdata/kites."+string(strategy)+".golden", written(chunks))
		})
	}
}

func written(chunks []rag.Chunk) string {
	var out strings.Builder
	for _, c := range chunks {
		fmt.Fprintf(&out, "%d  [%d, %d)  %d tokens  %s\n", c.Ordinal, c.Span.Start, c.Span.End, c.Tokens, strings.Join(c.Headings, " > "))
		if c.Parent != nil {
			fmt.Fprintf(&out, "parent [%d, %d)\n", c.Parent.Span.Start, c.Parent.Span.End)
		}
		if c.Header != "" {
			fmt.Fprintf(&out, "header: %s\n", c.Header)
		}
		fmt.Fprintf(&out, "%s\n\n", c.Text)
	}
	return out.String()
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("chunks changed (go test -update writes them anew):\n%s", diff)
	}
}
