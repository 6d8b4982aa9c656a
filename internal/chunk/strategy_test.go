package chunk

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

func table(text string, headings ...string) rag.Block {
	return rag.Block{Kind: rag.BlockTable, Text: text, Headings: headings}
}

func onPage(page int, b rag.Block) rag.Block {
	b.Page = page
	return b
}

// shown writes a chunk as: path: header / text.
func shown(c rag.Chunk) string {
	out := strings.Join(c.Headings, ">") + ": "
	if c.Header != "" {
		out += c.Header + " / "
	}
	return out + c.Text
}

func TestStrategies(t *testing.T) {
	book := parsed(head("Top"), para("Aa bb. Cc dd.", "Top"), head("Sub", "Top"), para("Ee ff.", "Top", "Sub"), table("k | v\n1 | x\n2 | y\n3 | z", "Top", "Sub"))
	paged := parsed(onPage(1, head("Top")), onPage(1, para("one two", "Top")), onPage(2, para("six ten", "Top")), onPage(2, head("End")), onPage(2, para("red", "End")))
	tests := []struct {
		name string
		in   rag.Parsed
		o    rag.Chunking
		want []string
	}{
		{"structure: a table that is too big repeats its header", book, rag.Chunking{MaxTokens: 9},
			[]string{"Top: Aa bb. Cc dd.", "Top>Sub: Ee ff.\n\nk | v\n1 | x", "Top>Sub: k | v / 2 | y\n3 | z"}},
		{"structure: a table that fits stays whole", book, rag.Chunking{MaxTokens: 12}, []string{"Top: Aa bb. Cc dd.", "Top>Sub: Ee ff.", "Top>Sub: k | v\n1 | x\n2 | y\n3 | z"}},
		{"structure: no header that takes more than half", parsed(table("one two six ten\n1\n2\n3\n4\n5\n6")), rag.Chunking{MaxTokens: 6},
			[]string{": one two six ten\n1\n2", ": one two six / 3\n4\n5", ": one two six / 6"}},
		{"structure: a row that is too big has the header too", parsed(table("k | v\na b c d e f g")), rag.Chunking{MaxTokens: 7},
			[]string{": k | v\na b c d", ": k | v / e f g"}},
		{"row", book, rag.Chunking{Strategy: rag.StrategyRow, MaxTokens: 20}, []string{"Top: Aa bb. Cc dd.", "Top>Sub: Ee ff.", "Top>Sub: k | v\n1 | x", "Top>Sub: k | v / 2 | y", "Top>Sub: k | v / 3 | z"}},
		{"row: one row", parsed(table("k | v")), rag.Chunking{Strategy: rag.StrategyRow, MaxTokens: 20}, []string{": k | v"}},
		{"tokens", book, rag.Chunking{Strategy: rag.StrategyTokens, MaxTokens: 6, Overlap: 2},
			[]string{"Top: Aa bb. Cc dd.\n\nSub\n\nEe", "Top>Sub: Sub\n\nEe ff.\n\nk | v", "Top>Sub: | v\n1 | x\n2", "Top>Sub: x\n2 | y\n3 |", "Top>Sub: 3 | z"}},
		{"tokens: pages are kept", paged, rag.Chunking{Strategy: rag.StrategyTokens, MaxTokens: 50}, []string{"Top: one two", ": six ten\n\nEnd\n\nred"}},
		{"sentences", book, rag.Chunking{Strategy: rag.StrategySentences, MaxTokens: 8, Overlap: 3},
			[]string{"Top: Aa bb. Cc dd.\n\nSub\n\nEe ff.", "Top>Sub: Sub\n\nEe ff.\n\nk | v", "Top>Sub: k | v / 1 | x", "Top>Sub: k | v / 2 | y", "Top>Sub: k | v / 3 | z"}},
		{"page", paged, rag.Chunking{Strategy: rag.StrategyPage, MaxTokens: 20}, []string{"Top: one two", ": six ten\n\nEnd\n\nred"}},
		{"page: one that is too big is split", paged, rag.Chunking{Strategy: rag.StrategyPage, MaxTokens: 2}, []string{"Top: one two", "Top: six ten", "End: End\n\nred"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			chunks, err := Split(test.in, test.o, pieces4{})
			if err != nil {
				t.Fatal(err)
			}
			checkSplit(t, test.in, test.o, chunks)
			var got []string
			for _, c := range chunks {
				got = append(got, shown(c))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSmallSectionsMerge(t *testing.T) {
	tests := []struct {
		name string
		in   rag.Parsed
		want []string
	}{
		{"with the next", parsed(head("T"), head("A", "T"), para("a b", "T", "A"), head("B", "T"), para("c d e f g", "T", "B")), []string{"T: A\n\na b\n\nB\n\nc d e f g"}},
		{"with the one before, at the end", parsed(head("A", "T"), para("c d e f g", "T", "A"), head("B", "T"), para("a", "T", "B")), []string{"T: A\n\nc d e f g\n\nB\n\na"}},
		{"no further than needed", parsed(para("a b", "T", "A"), para("c d", "T", "B"), para("e f", "T", "C"), para("g h", "T", "D")), []string{"T: a b\n\nc d", "T: e f\n\ng h"}},
		{"under the same top heading only", parsed(para("a", "T"), para("b", "U")), []string{"T: a", "U: b"}},
		{"on the same page only", parsed(onPage(1, para("a", "T", "A")), onPage(2, para("b", "T", "B"))), []string{"T>A: a", "T>B: b"}},
		{"only where both fit", parsed(para("a", "T", "A"), para("b c d e f g h i j k l", "T", "B")), []string{"T>A: a", "T>B: b c d e f g h i j k l"}},
		{"a section and what is below it", parsed(head("T"), head("A", "T"), para("a", "T", "A"), head("X", "T", "A"), para("b c d", "T", "A", "X")), []string{"T>A: a\n\nX\n\nb c d"}},
		{"no heading is lost", parsed(head("T"), head("R", "T"), head("W", "T", "R"), para("a b c", "T", "R", "W"), head("X", "T"), para("d", "T", "X")), []string{"T: R\n\nW\n\na b c\n\nX\n\nd"}},
		{"headings over headings over nothing", parsed(head("T"), head("R", "T")), []string{"T>R: R"}},
		{"a heading over nothing", parsed(head("T"), head("Call Bob", "T"), head("B", "T"), para("a b c d", "T", "B")), []string{"T: Call Bob\n\nB\n\na b c d"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := rag.Chunking{MaxTokens: 11, MinTokens: 4}
			chunks, err := Split(test.in, o, pieces4{})
			if err != nil {
				t.Fatal(err)
			}
			checkSplit(t, test.in, o, chunks)
			var got []string
			for _, c := range chunks {
				got = append(got, shown(c))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParents(t *testing.T) {
	in := parsed(head("T"), para("Aa bb. Cc dd. Ee ff.", "T"), para("Gg hh.", "T"), head("U"), para("Ii.", "U"), head("V"), table("k | v\n1 | x\n2 | y\n3 | z\n4 | w", "V"))
	o := rag.Chunking{Strategy: rag.StrategyParentChild, MaxTokens: 6, ParentTokens: 9}
	chunks, err := Split(in, o, pieces4{})
	if err != nil {
		t.Fatal(err)
	}
	checkSplit(t, in, o, chunks)
	var got []string
	for _, c := range chunks {
		parent := "-"
		if c.Parent != nil {
			parent = c.Parent.Shown()
		}
		got = append(got, c.Shown()+" <- "+parent)
	}
	want := []string{
		"Aa bb. Cc dd. Ee ff. <- Aa bb. Cc dd. Ee ff.\n\nGg hh.", "Gg hh. <- Aa bb. Cc dd. Ee ff.\n\nGg hh.",
		"Ii. <- -",
		"k | v\n1 | x <- k | v\n1 | x\n2 | y", "k | v\n2 | y <- k | v\n1 | x\n2 | y",
		"k | v\n3 | z <- k | v\n3 | z\n4 | w", "k | v\n4 | w <- k | v\n3 | z\n4 | w",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// checkSplit checks what must hold of every split: spans are exact, header and text keep the budget, and only whole
// characters of one page are in a chunk.
func checkSplit(t *testing.T, p rag.Parsed, o rag.Chunking, chunks []rag.Chunk) {
	t.Helper()
	runes := []rune(p.Text)
	for i, c := range chunks {
		if got := string(runes[c.Span.Start:c.Span.End]); got != c.Text || strings.TrimSpace(c.Text) == "" {
			t.Errorf("chunk %d: span %v is %q, text %q", i, c.Span, got, c.Text)
		}
		text, _ := pieces4{}.Offsets(c.Text)
		header, _ := pieces4{}.Offsets(c.Header)
		if c.Tokens != len(text) || len(text)+len(header) > o.MaxTokens || c.Ordinal != i {
			t.Errorf("chunk %d (ordinal %d): %d tokens stated, %d and %d of header counted, at most %d", i, c.Ordinal, c.Tokens, len(text), len(header), o.MaxTokens)
		}
		for _, b := range p.Blocks {
			if b.Span.Start < c.Span.End && c.Span.Start < b.Span.End && b.Page != c.PageStart || c.PageStart != c.PageEnd {
				t.Errorf("chunk %d of pages %d to %d holds something of page %d", i, c.PageStart, c.PageEnd, b.Page)
			}
		}
		if at := c.Parent; at != nil {
			if got := string(runes[at.Span.Start:at.Span.End]); got != at.Text || at.Span.Start > c.Span.Start || at.Span.End < c.Span.End {
				t.Errorf("chunk %d at %v: parent at %v is %q, text %q", i, c.Span, at.Span, got, at.Text)
			}
		}
	}
}

func TestSentenceEnds(t *testing.T) {
	tests := []struct {
		name string
		want []string // the sentences, which make up the text
	}{
		{"plain", []string{"One two. ", "Three? ", "Four!"}},
		{"titles", []string{"See Dr. Who and Mrs. Smith. ", "Go."}},
		{"Latin", []string{"Use a tool, e.g. Curl, i.e. that. ", "Now. "}},
		{"an abbreviation in brackets", []string{"It works (cf. Smith et al. 2020). ", "Yes."}},
		{"initials", []string{"J. R. R. Tolkien wrote. ", "So did C. S. Lewis."}},
		{"I is a word", []string{"It was I. ", "Really."}},
		{"numbers", []string{"It costs 3.50 in version 1.2.3. ", "Cheap."}},
		{"figures", []string{"See Fig. 3 and No. 7. ", "Then Eq. 2."}},
		{"quotes", []string{"\"Stop!\" ", "He left."}},
		{"Chinese", []string{"红鸢是猛禽。", "它在树上筑巢！", "真的吗？", "是的。"}},
		{"Japanese quotes", []string{"「赤い鳶だ。」", "彼は言った。"}},
		{"Korean", []string{"솔개는 새다. ", "나무에 산다."}},
		{"German", []string{"Das gilt z.B. für Bzw. Fälle, d.h. immer. ", "Gut."}},
		{"a broken line", []string{"The red kite is a bird\nof prey. ", "It nests."}},
		{"lines that end", []string{"One line.\n", "Another line."}},
		{"no mark at all", []string{"just words"}},
		{"empty", []string{""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Join(test.want, "")
			var got []string
			from := 0
			for _, end := range sentenceEnds(text) {
				got = append(got, text[from:end])
				from = end
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSettle(t *testing.T) {
	of := func(strategy rag.Strategy, tokens ...*int) rag.NewChunking {
		asked := rag.NewChunking{}
		if strategy != "" {
			asked.Strategy = &strategy
		}
		for i, to := range []**int{&asked.MaxTokens, &asked.Overlap, &asked.MinTokens, &asked.ParentTokens} {
			if i < len(tokens) {
				*to = tokens[i]
			}
		}
		return asked
	}
	n := func(n int) *int { return &n }
	base := rag.Chunking{Strategy: rag.StrategyStructure, MaxTokens: 400, Overlap: 100, MinTokens: 50}
	tests := []struct {
		name  string
		asked rag.NewChunking
		base  rag.Chunking
		want  rag.Chunking
		at    string
	}{
		{name: "defaults", want: rag.Chunking{Strategy: rag.StrategyStructure, MaxTokens: 256, Overlap: 32, MinTokens: 32}},
		{name: "defaults with parents", asked: of(rag.StrategyParentChild), want: rag.Chunking{Strategy: rag.StrategyParentChild, MaxTokens: 128, Overlap: 32, MinTokens: 32, ParentTokens: 1024}},
		{name: "small chunks", asked: of("", n(40)), want: rag.Chunking{Strategy: rag.StrategyStructure, MaxTokens: 40, Overlap: 10, MinTokens: 10}},
		{name: "the collection's", base: base, want: base},
		{name: "another strategy over the collection's", asked: of(rag.StrategyTokens), base: base, want: rag.Chunking{Strategy: rag.StrategyTokens, MaxTokens: 400, Overlap: 100, MinTokens: 50}},
		{name: "what is left out follows", asked: of("", n(100)), base: base, want: rag.Chunking{Strategy: rag.StrategyStructure, MaxTokens: 100, Overlap: 25, MinTokens: 25}},
		{name: "parents no more", asked: of(rag.StrategyRow), base: rag.Chunking{Strategy: rag.StrategyParentChild, MaxTokens: 128, ParentTokens: 512}, want: rag.Chunking{Strategy: rag.StrategyRow, MaxTokens: 128}},
		{name: "nothing merged", asked: of("", nil, n(0), n(0)), want: rag.Chunking{Strategy: rag.StrategyStructure, MaxTokens: 256}},
		{name: "no such strategy", asked: of("words"), at: "/chunking/strategy"},
		{name: "more than is read", asked: of("", n(479)), at: "/chunking/max_tokens"},
		{name: "nothing", asked: of("", n(0)), at: "/chunking/max_tokens"},
		{name: "too much overlap", asked: of("", n(64), n(33)), at: "/chunking/overlap"},
		{name: "too much merging", asked: of("", n(64), nil, n(33)), at: "/chunking/min_tokens"},
		{name: "parents of none", asked: of(rag.StrategyTokens, nil, nil, nil, n(512)), at: "/chunking/parent_tokens"},
		{name: "small parents", asked: of(rag.StrategyParentChild, n(128), nil, nil, n(127)), at: "/chunking/parent_tokens"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Settle(test.asked, test.base, 510)
			if test.at != "" {
				var problem *rag.Problem
				if !errors.As(err, &problem) || problem.Pointer != test.at {
					t.Errorf("got %+v, %v, want a problem at %s", got, err, test.at)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// FuzzSplit asserts of any text, and of every strategy, that spans are exact, the budget is kept, and nothing that is not
// blank gets lost.
func FuzzSplit(f *testing.F) {
	f.Add("One two. Dr. Who? κίτε\n\nlines\nof code 鳶鳶🪁", 5, 2, uint8(3))
	f.Add("\x00a\xffb  \n\n", 1, 0, uint8(0))
	f.Add(strings.Repeat("word ", 300), 16, 8, uint8(1))
	f.Add("k | v\n1 | x\n2 | y\n\n"+strings.Repeat("row | of many cells\n", 40), 20, 8, uint8(2))
	kinds := []rag.BlockKind{rag.BlockParagraph, rag.BlockCode, rag.BlockHeading, rag.BlockTable, rag.BlockList}
	f.Fuzz(func(t *testing.T, text string, most, overlap int, seed uint8) {
		text = strings.ToValidUTF8(text, "?")
		var blocks []rag.Block
		for i, part := range strings.Split(text, "\n\n") {
			b := rag.Block{Kind: kinds[(i+int(seed))%len(kinds)], Text: part, Page: i / 9, Headings: []string{string(rune('a' + i/12)), string(rune('a' + i/3))}}
			if b.Kind == rag.BlockHeading && i%2 == 0 {
				b.Headings = b.Headings[:1]
			}
			blocks = append(blocks, b)
		}
		p := parsed(blocks...)
		for _, strategy := range rag.Strategies() {
			o := rag.Chunking{Strategy: strategy, MaxTokens: 1 + abs(most)%64, Overlap: abs(overlap) % 64, MinTokens: abs(overlap) % 16, ParentTokens: 100}
			chunks, err := Split(p, o, pieces4{})
			if err != nil {
				var problem *rag.Problem
				if !errors.As(err, &problem) || problem.Code != "empty" {
					t.Fatal(err)
				}
				continue
			}
			checkSplit(t, p, o, chunks)
			checkCovered(t, p, chunks)
		}
	})
}

// checkCovered checks that everything but headings and blanks is in a chunk.
func checkCovered(t *testing.T, p rag.Parsed, chunks []rag.Chunk) {
	t.Helper()
	runes := []rune(p.Text)
	covered := make([]bool, len(runes))
	for _, c := range chunks {
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
}

func abs(n int) int { return max(n, -n) & (1<<62 - 1) }
