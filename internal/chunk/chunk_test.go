package chunk

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// pieces4 is a tokenizer double: a word is a token for each four runes it has.
type pieces4 struct{}

func (pieces4) Offsets(text string) ([][2]int, error) {
	var out [][2]int
	start, runes := -1, 0
	for i, r := range text {
		if unicode.IsSpace(r) {
			if start >= 0 {
				out = append(out, [2]int{start, i})
			}
			start, runes = -1, 0
			continue
		}
		if runes == 4 {
			out = append(out, [2]int{start, i})
			start, runes = -1, 0
		}
		if start < 0 {
			start = i
		}
		runes++
	}
	if start >= 0 {
		out = append(out, [2]int{start, len(text)})
	}
	return out, nil
}

// parsed puts a document together: its blocks, two newlines between them.
func parsed(blocks ...rag.Block) rag.Parsed {
	var p rag.Parsed
	runes := 0
	for i, b := range blocks {
		if i > 0 {
			p.Text += "\n\n"
			runes += 2
		}
		p.Text += b.Text
		n := utf8.RuneCountInString(b.Text)
		b.Span = rag.Span{Start: runes, End: runes + n}
		runes += n
		p.Blocks = append(p.Blocks, b)
	}
	return p
}

func para(text string, headings ...string) rag.Block {
	return rag.Block{Kind: rag.BlockParagraph, Text: text, Headings: headings}
}

func head(text string, headings ...string) rag.Block {
	return rag.Block{Kind: rag.BlockHeading, Text: text, Headings: append(headings, text)}
}

// texts splits and checks what must hold of any split.
func texts(t *testing.T, p rag.Parsed, o rag.Chunking) []string {
	t.Helper()
	chunks, err := Split(p, o, pieces4{})
	if err != nil {
		t.Fatal(err)
	}
	runes := []rune(p.Text)
	var out []string
	for i, c := range chunks {
		if got := string(runes[c.Span.Start:c.Span.End]); got != c.Text {
			t.Errorf("chunk %d: span %v is %q, text %q", i, c.Span, got, c.Text)
		}
		offsets, _ := pieces4{}.Offsets(c.Text)
		if c.Tokens != len(offsets) || c.Tokens > o.MaxTokens || c.Tokens == 0 || c.Ordinal != i {
			t.Errorf("chunk %d: %d tokens stated, %d counted, at most %d; ordinal %d", i, c.Tokens, len(offsets), o.MaxTokens, c.Ordinal)
		}
		out = append(out, c.Text)
	}
	return out
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name string
		in   rag.Parsed
		o    rag.Chunking
		want []string
	}{
		{"one small block", parsed(para("one two")), rag.Chunking{MaxTokens: 8}, []string{"one two"}},
		{"small blocks of a section join", parsed(para("one two", "A"), para("six", "A")), rag.Chunking{MaxTokens: 8}, []string{"one two\n\nsix"}},
		{"sections never join", parsed(para("one", "A"), para("two", "B")), rag.Chunking{MaxTokens: 8}, []string{"one", "two"}},
		{"headings go into the path", parsed(head("Top"), head("Sub", "Top"), para("one", "Top", "Sub")), rag.Chunking{MaxTokens: 8}, []string{"one"}},
		{"a heading over nothing stays findable", parsed(head("Top"), head("Call Bob", "Top"), head("End", "Top"), para("one", "Top", "End")), rag.Chunking{MaxTokens: 8}, []string{"Call Bob", "one"}},
		{"a block that fits stays whole", parsed(para("a b c d e"), para("f g h i j")), rag.Chunking{MaxTokens: 6}, []string{"a b c d e", "f g h i j"}},
		{"a big block is cut between sentences", parsed(para("One two. Six ten. Red blue. ")), rag.Chunking{MaxTokens: 4}, []string{"One two. Six ten.", "Red blue."}},
		{"sentences overlap", parsed(para("Aa bb. Cc dd. Ee ff. Gg hh.")), rag.Chunking{MaxTokens: 6, Overlap: 2}, []string{"Aa bb. Cc dd. Ee ff.", "Ee ff. Gg hh."}},
		{"no overlap across sections", parsed(para("Aa bb.", "A"), para("Cc dd.", "B")), rag.Chunking{MaxTokens: 6, Overlap: 3}, []string{"Aa bb.", "Cc dd."}},
		{"an abbreviation ends no sentence", parsed(para("See Dr. Who now. Go out.")), rag.Chunking{MaxTokens: 5}, []string{"See Dr. Who now.", "Go out."}},
		{"a big sentence is cut between tokens", parsed(para("a b c d e f g")), rag.Chunking{MaxTokens: 3}, []string{"a b c", "d e f", "g"}},
		{"words stay whole where they can", parsed(para("one seventeen eighteen nineteen")), rag.Chunking{MaxTokens: 5}, []string{"one seventeen", "eighteen nineteen"}},
		{"a big word is cut", parsed(para("abcdefghijkl")), rag.Chunking{MaxTokens: 2}, []string{"abcdefgh", "ijkl"}},
		{"lines of code stay whole", parsed(rag.Block{Kind: rag.BlockCode, Text: "a b. c\nd e. f\ng"}), rag.Chunking{MaxTokens: 4}, []string{"a b. c", "d e. f\ng"}},
		{"many scripts", parsed(para("κίτε κίτε. 鳶鳶鳶。 🪁🪁 end.")), rag.Chunking{MaxTokens: 3}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := texts(t, test.in, test.o)
			if test.want == nil {
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// bytewise is a tokenizer double that cuts characters in pieces, as some real ones do.
type bytewise struct{}

func (bytewise) Offsets(text string) ([][2]int, error) {
	out := make([][2]int, len(text))
	for i := range text {
		for j := i; j < len(text) && (j == i || !utf8.RuneStart(text[j])); j++ {
			out[j] = [2]int{i, j + 1} // all pieces of a character begin where it does
		}
	}
	return out, nil
}

func TestSplitKeepsCharactersWhole(t *testing.T) {
	p := parsed(para("鳶鳶鳶a🪁κίτε"))
	for most := 1; most < 8; most++ {
		chunks, err := Split(p, rag.Chunking{MaxTokens: most}, bytewise{})
		if err != nil {
			t.Fatal(err)
		}
		joined := ""
		for _, c := range chunks {
			joined += c.Text
			if c.Tokens > most && utf8.RuneCountInString(c.Text) > 1 {
				t.Errorf("at most %d tokens: %q has %d", most, c.Text, c.Tokens)
			}
		}
		if joined != p.Text {
			t.Errorf("at most %d tokens: %q", most, joined)
		}
	}
}

func TestSplitTakesLinearTime(t *testing.T) {
	long := strings.Repeat("word ", 400_000) // 2 MB in one sentence; quadratic would take minutes
	chunks, err := Split(parsed(para(long)), rag.Chunking{MaxTokens: 256, Overlap: 32}, pieces4{})
	if err != nil || len(chunks) < 400_000/256 {
		t.Errorf("%d chunks, %v", len(chunks), err)
	}
}

func TestSplitKeepsPages(t *testing.T) {
	a, b := para("one two"), para("six ten")
	a.Page, b.Page = 1, 2
	chunks, err := Split(parsed(a, b), rag.Chunking{MaxTokens: 50}, pieces4{})
	if err != nil || len(chunks) != 2 || chunks[0].PageStart != 1 || chunks[1].PageStart != 2 || chunks[1].PageEnd != 2 {
		t.Errorf("got %+v, %v", chunks, err)
	}
}

func TestSplitNothing(t *testing.T) {
	for _, p := range []rag.Parsed{{}, parsed(para(" \n "))} {
		_, err := Split(p, rag.Chunking{MaxTokens: 8}, pieces4{})
		var problem *rag.Problem
		if !errors.As(err, &problem) || problem.Code != "empty" {
			t.Errorf("got %v", err)
		}
	}
}

func TestEmbeddingText(t *testing.T) {
	tests := []struct {
		title    string
		headings []string
		want     string
	}{
		{"", nil, "text"},
		{"Guide", nil, "Guide\ntext"},
		{"Guide", []string{"Guide", "Setup"}, "Guide\nSetup\ntext"},
		{"", []string{"Setup", "Linux"}, "Setup > Linux\ntext"},
		{strings.Repeat("κ", 500), nil, strings.Repeat("κ", prefixRunes) + "\ntext"},
	}
	for tokens, want := range map[int]string{256: "Guide\ntext", 507: "Gui\ntext", 510: "text", 600: "text"} {
		if got := EmbeddingText("Guide", rag.Chunk{Text: "text", Tokens: tokens}); got != want {
			t.Errorf("%d tokens: got %q", tokens, got)
		}
	}
	for _, test := range tests {
		if got := EmbeddingText(test.title, rag.Chunk{Text: "text", Headings: test.headings}); got != test.want {
			t.Errorf("%q %v: got %q", test.title, test.headings, got)
		}
	}
}

func TestFromGiven(t *testing.T) {
	got, err := FromGiven([]Given{{Text: "κίτε", Page: 2}, {Text: "b", Headings: []string{"H"}}}, 10, pieces4{})
	if err != nil {
		t.Fatal(err)
	}
	want := []rag.Chunk{
		{Text: "κίτε", PageStart: 2, PageEnd: 2, Span: rag.Span{Start: 0, End: 4}, Tokens: 1},
		{Ordinal: 1, Text: "b", Headings: []string{"H"}, Span: rag.Span{Start: 6, End: 7}, Tokens: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, bad := range [][]Given{{{Text: "a"}, {Text: " "}}, {{Text: "a"}, {Text: strings.Repeat("a ", 11)}}, nil} {
		if _, err := FromGiven(bad, 10, pieces4{}); !errors.Is(err, rag.ErrInvalid) {
			t.Errorf("case %d: got %v", i, err)
		}
	}
}

// FuzzSplit asserts of any text that spans are exact, the budget is kept, and nothing that is not blank gets lost.
func FuzzSplit(f *testing.F) {
	f.Add("One two. Dr. Who? κίτε\n\nlines\nof code 鳶鳶🪁", 5, 2, uint8(3))
	f.Add("\x00a\xffb  \n\n", 1, 0, uint8(0))
	f.Add(strings.Repeat("word ", 300), 16, 8, uint8(1))
	f.Fuzz(func(t *testing.T, text string, most, overlap int, kinds uint8) {
		text = strings.ToValidUTF8(text, "?")
		o := rag.Chunking{MaxTokens: 1 + abs(most)%64, Overlap: abs(overlap) % 64}
		var blocks []rag.Block
		for i, part := range strings.Split(text, "\n\n") {
			kind := []rag.BlockKind{rag.BlockParagraph, rag.BlockCode, rag.BlockHeading}[(i+int(kinds))%3]
			blocks = append(blocks, rag.Block{Kind: kind, Text: part, Headings: []string{fmt.Sprint(i / 3)}})
		}
		p := parsed(blocks...)
		chunks, err := Split(p, o, pieces4{})
		if err != nil {
			if !errors.Is(err, rag.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		runes := []rune(p.Text)
		covered := make([]bool, len(runes))
		for _, c := range chunks {
			if string(runes[c.Span.Start:c.Span.End]) != c.Text || c.Tokens > o.MaxTokens {
				t.Fatalf("span %v, %d tokens of %d: %q", c.Span, c.Tokens, o.MaxTokens, c.Text)
			}
			for i := c.Span.Start; i < c.Span.End; i++ {
				covered[i] = true
			}
		}
		for _, b := range p.Blocks {
			for i := b.Span.Start; i < b.Span.End && b.Kind != rag.BlockHeading; i++ {
				if !covered[i] && !unicode.IsSpace(runes[i]) {
					t.Fatalf("rune %d (%q) is in no chunk", i, runes[i])
				}
			}
		}
	})
}

func abs(n int) int { return max(n, -n) & (1<<62 - 1) }
