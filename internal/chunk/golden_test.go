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

// TestGolden cuts a whole Markdown document, 24 words a chunk and 8 of overlap. docs/formats.md shows the same.
func TestGolden(t *testing.T) {
	source, err := os.ReadFile("testdata/kites.md")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parse.New(parse.Options{}).Parse(t.Context(), rag.Original{ReadSeeker: strings.NewReader(string(source)), Size: int64(len(source)), MediaType: parse.TypeMarkdown})
	if err != nil {
		t.Fatal(err)
	}
	chunks, err := chunk.Split(p, rag.Chunking{MaxTokens: 24, Overlap: 8}, fieldwise{})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, c := range chunks {
		fmt.Fprintf(&got, "%d  [%d, %d)  %d tokens  %s\n%s\n\n", c.Ordinal, c.Span.Start, c.Span.End, c.Tokens, strings.Join(c.Headings, " > "), c.Text)
	}
	const golden = "testdata/kites.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("chunks changed (go test -update writes them anew):\n%s", diff)
	}
}
