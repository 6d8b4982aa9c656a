package lexical

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden file")

const goldenTerms = "testdata/terms.golden"

// TestTermsAreAsBefore reads texts in every language that there are rules for, and keeps the terms and weights that each
// had when the file was written: what is stored is found by them. A line is a language, a hash, and the text.
func TestTermsAreAsBefore(t *testing.T) {
	raw, err := os.ReadFile(goldenTerms)
	if err != nil {
		t.Fatal(err)
	}
	a := analyzer(t)
	var out strings.Builder
	lines := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	for _, line := range lines {
		part := strings.SplitN(line, "\t", 3)
		if len(part) != 3 {
			t.Fatalf("a line has no three parts: %q", line)
		}
		fmt.Fprintf(&out, "%s\t%s\t%s\n", part[0], a.hash(part[2], part[0]), part[2])
	}
	if *update {
		if err := os.WriteFile(goldenTerms, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(lines, strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")); diff != "" {
		t.Errorf("terms have changed; collections would have to be rebuilt: %s", diff)
	}
	if len(lines) < 2*len(ruled()) {
		t.Errorf("only %d texts", len(lines))
	}
}

// hash stands for what a text has as a document and as a query.
func (a *Analyzer) hash(text, language string) string {
	h := sha256.New()
	v := a.Document(text, language)
	for i, term := range v.Terms {
		_ = binary.Write(h, binary.LittleEndian, []uint32{term, math.Float32bits(v.Weights[i])})
	}
	for _, w := range a.Query(text, in(language, "en", Unknown)).words {
		_ = binary.Write(h, binary.LittleEndian, uint32(w.dropped))
		_ = binary.Write(h, binary.LittleEndian, w.terms)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// TestWordsAreForgotten reads more words than a scanner remembers, by many at once, and words that differ only in the
// language they are read by.
func TestWordsAreForgotten(t *testing.T) {
	a := analyzer(t)
	var text strings.Builder
	for i := range maxMemo + 500 {
		fmt.Fprintf(&text, "w%c%c%c%c ", 'a'+i%26, 'a'+i/26%26, 'a'+i/676%26, 'a'+i/17576%26)
	}
	before := map[string]string{}
	for _, language := range append(ruled(), Unknown) {
		before[language] = analyzer(t).hash("Die Kites sind nations relationales", language)
	}
	whole := a.hash(text.String(), "en")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for language, want := range before {
				if got := a.hash("Die Kites sind nations relationales", language); got != want {
					t.Errorf("%s: another reading after many words", language)
				}
			}
			if a.hash(text.String(), "en") != whole {
				t.Error("the same text has other terms the second time")
			}
		})
	}
	wg.Wait()
	s := a.scan(text.String(), "en", false)
	defer s.done()
	if len(s.memo) > maxMemo {
		t.Errorf("%d words are remembered, more than %d", len(s.memo), maxMemo)
	}
	for word := range a.scan(strings.Repeat("x", 90), "en", false).memo {
		if len(word) > maxMemoWord+4 {
			t.Errorf("a word of %d bytes is remembered", len(word))
		}
	}
}
