package parse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// words gives the words of a text, in lower case and without punctuation.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// recall gives which part of want's words, and of its runs of three words, are in got as often as in want.
func recall(got, want []string) (single, triple float64) {
	grams := func(words []string, n int) map[string]int {
		counts := map[string]int{}
		for i := 0; i+n <= len(words); i++ {
			counts[strings.Join(words[i:i+n], " ")]++
		}
		return counts
	}
	part := func(n int) float64 {
		have, found, all := grams(got, n), 0, 0
		for gram, count := range grams(want, n) {
			found += min(count, have[gram])
			all += count
		}
		return float64(found) / float64(max(all, 1))
	}
	return part(1), part(3)
}

// TestPDFRecall reads one text, set by different tools in one to three columns, against its source.
func TestPDFRecall(t *testing.T) {
	source, err := os.ReadFile("testdata/pdf/source.txt")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/pdf/recall-*.pdf")
	if err != nil || len(files) < 6 {
		t.Fatalf("only %d files, %v", len(files), err)
	}
	if extra := os.Getenv("RECALL"); extra != "" {
		files, _ = filepath.Glob(extra)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			original, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := parse(t, TypePDF, original)
			if err != nil {
				t.Fatal(err)
			}
			check(t, p)
			single, triple := recall(words(p.Text), words(string(source)))
			t.Logf("recall of words %.4f, of three in a row %.4f; %d words, source %d", single, triple, len(words(p.Text)), len(words(string(source))))
			if single < 0.98 || triple < 0.95 {
				t.Errorf("recall of words %.4f, of three in a row %.4f", single, triple)
			}
		})
	}
}
