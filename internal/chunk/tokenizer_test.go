//go:build cgo

package chunk_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/tokenizer"
)

// TestSplitWithTheBundledTokenizer keeps the budget as the bundled bi-encoder counts it.
func TestSplitWithTheBundledTokenizer(t *testing.T) {
	bundled, err := tokenizer.Open("../../models/bge-small-en-v1.5/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	defer bundled.Close()
	text := strings.Repeat("The red kite (Milvus milvus) soars above Mid Wales. Übermäßig lange Donaudampfschifffahrtsgesellschaft! "+
		"赤鳶が飛ぶ。🪁👩‍👩‍👧 \x00 www.example.org/a?b=c&d=e ", 60)
	p := rag.Parsed{Text: text, Blocks: []rag.Block{{Kind: rag.BlockParagraph, Text: text, Span: rag.Span{End: len([]rune(text))}}}}
	for _, most := range []int{16, 64, 256, 510} {
		chunks, err := chunk.Split(p, rag.Chunking{MaxTokens: most, Overlap: most / 8}, bundled)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, c := range chunks {
			ids, err := bundled.Encode(c.Text)
			if err != nil {
				t.Fatal(err)
			}
			if len(ids) > most || c.Tokens != len(ids) {
				t.Errorf("at most %d: %d tokens stated, %d encoded: %q", most, c.Tokens, len(ids), c.Text)
			}
			total += len(ids)
		}
		if fill := float64(total) / float64(len(chunks)*most); fill < 0.6 {
			t.Errorf("at most %d: chunks are only %.0f %% full", most, 100*fill)
		}
	}
}

// reader is the bundled bi-encoder as chunking knows it.
type reader struct{ *tokenizer.Tokenizer }

// MaxTokens is what it reads, less its two special tokens.
func (reader) MaxTokens() int { return 510 }

// TestNothingIsCutOff is the promise of the budget: whatever the document, the strategy and the headings, the bi-encoder
// reads all of what is embedded for a chunk.
func TestNothingIsCutOff(t *testing.T) {
	bundled, err := tokenizer.Open("../../models/bge-small-en-v1.5/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	defer bundled.Close()
	encoder := reader{bundled}
	longest := 0
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := document(r)
		for _, strategy := range rag.Strategies() {
			most := []int{16, 100, 256, 478}[r.IntN(4)]
			o := rag.Chunking{Strategy: strategy, MaxTokens: most, Overlap: r.IntN(most/2 + 1), MinTokens: r.IntN(most / 2), ParentTokens: 2 * most}
			chunks, err := chunk.Split(p, o, bundled)
			if err != nil {
				t.Fatal(err)
			}
			runes := []rune(p.Text)
			for _, c := range chunks {
				if string(runes[c.Span.Start:c.Span.End]) != c.Text {
					t.Fatalf("seed %d, %s: span %v is not %q", seed, strategy, c.Span, c.Text)
				}
				inside, err := bundled.Encode(c.Shown())
				if err != nil {
					t.Fatal(err)
				}
				if len(inside) > most {
					t.Errorf("seed %d, %s: %d tokens of at most %d in %q under %q", seed, strategy, len(inside), most, c.Text, c.Header)
				}
				text, err := chunk.EmbeddingText(phrase(r, 30), c, encoder)
				if err != nil {
					t.Fatal(err)
				}
				ids, err := bundled.Encode(text)
				if err != nil {
					t.Fatal(err)
				}
				if longest = max(longest, len(ids)); len(ids) > encoder.MaxTokens() || !strings.HasSuffix(text, c.Shown()) {
					t.Errorf("seed %d, %s: %d tokens of %q", seed, strategy, len(ids), text)
				}
			}
		}
	}
	if longest < 500 {
		t.Errorf("the longest text had %d tokens: the limit was never met", longest)
	}
}

// alphabets are pieces of words that tokenizers find easy and hard.
var alphabets = []string{"abcdefghij", "ßÜéñçøåÆŁİ", "αβγδεζηθικ", "бвгджзийкл", "赤鳶飛樹巣鳥空森山川", "한글솔개나무하늘새벽강", "ﬁ½Å…①㎏ﷺ™㍿½", "\u0301\u0308\u200d🪁👩🏽‍🚀#@/", "0123456789.,;:-_()[]{}"}

// phrase makes words of any script.
func phrase(r *rand.Rand, most int) string {
	var out strings.Builder
	for range 1 + r.IntN(most) {
		letters := []rune(alphabets[r.IntN(len(alphabets))])
		for range 1 + r.IntN(12) {
			out.WriteRune(letters[r.IntN(len(letters))])
		}
		out.WriteString([]string{" ", " ", " ", ". ", "。", "\n"}[r.IntN(6)])
	}
	return strings.TrimSpace(out.String()) + "x"
}

// document makes a document of any structure.
func document(r *rand.Rand) rag.Parsed {
	var p rag.Parsed
	var path []string
	runes, page := 0, 1
	kinds := []rag.BlockKind{rag.BlockHeading, rag.BlockParagraph, rag.BlockParagraph, rag.BlockTable, rag.BlockCode, rag.BlockList}
	for i := range 5 + r.IntN(25) {
		b := rag.Block{Kind: kinds[r.IntN(len(kinds))], Text: phrase(r, 200)}
		if b.Kind == rag.BlockHeading {
			b.Text = phrase(r, 40)
			path = append(slices.Clone(path[:r.IntN(len(path)+1)]), b.Text)
		}
		if r.IntN(6) == 0 {
			page++
		}
		if i > 0 {
			p.Text, runes = p.Text+"\n\n", runes+2
		}
		n := utf8.RuneCountInString(b.Text)
		b.Headings, b.Page, b.Span = path, page, rag.Span{Start: runes, End: runes + n}
		p.Text, runes = p.Text+b.Text, runes+n
		p.Blocks = append(p.Blocks, b)
	}
	return p
}
