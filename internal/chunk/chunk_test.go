package chunk

import (
	"errors"
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
	var text strings.Builder
	runes := 0
	for i, b := range blocks {
		if i > 0 {
			text.WriteString("\n\n")
			runes += 2
		}
		text.WriteString(b.Text)
		n := utf8.RuneCountInString(b.Text)
		b.Span = rag.Span{Start: runes, End: runes + n}
		runes += n
		p.Blocks = append(p.Blocks, b)
	}
	p.Text = text.String()
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
	long := parsed(para(strings.Repeat("word ", 400_000))) // 2 MB in one sentence; quadratic would take minutes
	var lines []rag.Block
	for range 50_000 {
		lines = append(lines, para("Four words in one. And four more here."))
	}
	for name, in := range map[string]rag.Parsed{"one sentence": long, "many blocks": parsed(lines...)} {
		for _, strategy := range rag.Strategies() {
			chunks, err := Split(in, rag.Chunking{Strategy: strategy, MaxTokens: 256, Overlap: 32, MinTokens: 32, ParentTokens: 1024}, pieces4{})
			if err != nil || len(chunks) < 400_000/256 {
				t.Errorf("%s, %s: %d chunks, %v", name, strategy, len(chunks), err)
			}
		}
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

// reads is a bi-encoder double that reads so many tokens of four runes.
type reads struct {
	pieces4
	most int
}

func (r reads) MaxTokens() int { return r.most }

func TestEmbeddingText(t *testing.T) {
	tests := []struct {
		name  string
		title string
		in    rag.Chunk
		most  int
		want  string
	}{
		{"nothing before it", "", rag.Chunk{Text: "text"}, 500, "text"},
		{"title", "Guide", rag.Chunk{Text: "text"}, 500, "Guide\ntext"},
		{"the title is not said twice", "Guide", rag.Chunk{Text: "text", Headings: []string{"Guide", "Setup"}}, 500, "Guide\nSetup\ntext"},
		{"path", "", rag.Chunk{Text: "text", Headings: []string{"Setup", "Linux"}}, 500, "Setup > Linux\ntext"},
		{"header", "Guide", rag.Chunk{Header: "a | b", Text: "1 | 2"}, 500, "Guide\na | b\n1 | 2"},
		{"a long title", strings.Repeat("κ", 500), rag.Chunk{Text: "text"}, 500, strings.Repeat("κ", prefixRunes) + "\ntext"},
		{"no more than there is room for", "one two three", rag.Chunk{Text: "text", Tokens: 496}, 500, "one two\ntext"},
		{"the header goes first", "one two three", rag.Chunk{Header: "a", Text: "text", Tokens: 493}, 500, "one two\na\ntext"},
		{"no room", "Guide", rag.Chunk{Text: "text", Tokens: 499}, 500, "text"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := EmbeddingText(test.title, test.in, reads{most: test.most})
			if err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
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
