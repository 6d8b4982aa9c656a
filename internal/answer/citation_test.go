package answer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// cite reads an answer in deltas of size bytes over two passages.
func cite(t *testing.T, text string, size int) (string, []Citation) {
	t.Helper()
	var out strings.Builder
	var all []Citation
	c := NewCiter([]rag.Passage{{Number: 1}, {Number: 2}}, func(text string, cited []Citation) error {
		out.WriteString(text)
		all = append(all, cited...)
		return nil
	})
	runes := []rune(text)
	for len(runes) > 0 {
		n := min(size, len(runes))
		if err := c.Write(string(runes[:n])); err != nil {
			t.Fatal(err)
		}
		runes = runes[n:]
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), all
}

func TestCiter(t *testing.T) {
	tests := []struct{ text, want string }{
		{"Kites glide [1].", "Kites glide [1]."},
		{"Kites glide [12].", "Kites glide."},
		{"Kites glide [1][3][2].", "Kites glide [1][2]."},
		{"Both [1, 2] and [1,7;2] and [7, 8]!", "Both [1][2] and [1][2] and!"},
		{"A range [1-3] and [2–1].", "A range [1][2] and [2][1]."},
		{"从【1】到【3】［2］。", "从[1]到[2]。"},
		{"OpenAI 【1†source】【9†L1-L4】", "OpenAI [1]"},
		{"wide ［２］", "wide [2]"},
		{"a footnote [^1][^4]", "a footnote [1]"},
		{"copied [ 1 ] and [ 7 ]", "copied and"},
		{"zero [0] and [00000001] and [99999999999999999999]", "zero and and"},
		{"negative [-1]", "negative"},
		{"words [see below] and [] stay, [1.5] too", "words [see below] and [] stay, [1.5] too"},
		{"[1] at the start", "[1] at the start"},
		{"[9] at the start", " at the start"},
		{"a link [1](https://example.org) and [8](x)", "a link [1](https://example.org) and(x)"},
		{"nested [[1]] and [[9]]", "nested [[1]] and []"},
		{"cut off [12", "cut off"},
		{"cut off [", "cut off ["},
		{"cut off [1, 2", "cut off"},
		{"blanks at the end  ", "blanks at the end  "},
		{"code `a[0]` and ``b`[7]`` but [7]", "code `a[0]` and ``b`[7]`` but"},
		{"no code ` [7] here\nand [1]", "no code ` here\nand [1]"},
		{"open `a[7]", "open `a"},
		{"closed at the end `a[7]`", "closed at the end `a[7]`"},
		{"```go\na[0] = b[7]\n```\nso [7][1]", "```go\na[0] = b[7]\n```\nso[1]"},
		{"```\na[0]", "```\na[0]"},
		{"- ```\n  a[0]\n  ``` \n[2]", "- ```\n  a[0]\n  ``` \n[2]"},
		{"inline ``` a[7] ``` yes", "inline ``` a[7] ``` yes"},
		{strings.Repeat("x ", 5) + "[" + strings.Repeat("1,", 600) + "1] end", "x x x x x end"},
		{"long " + "[" + strings.Repeat("9,", 600) + "oh", "long oh"},
		{"many [1-9999]", "many [1][2]"},
	}
	for _, test := range tests {
		for _, size := range []int{1, 2, 3, 5, 1000} {
			got, cited := cite(t, test.text, size)
			if got != test.want && !strings.HasPrefix(test.text, "long") {
				t.Errorf("%q in deltas of %d: got %q, want %q", test.text, size, got, test.want)
			}
			if strings.HasPrefix(test.text, "long") && strings.Contains(got, "9") {
				t.Errorf("%q in deltas of %d: got %q", test.text, size, got)
			}
			runes := []rune(got)
			for _, c := range cited {
				if mark := string(runes[c.At.Start:c.At.End]); mark != "["+itoa(c.Passage.Number)+"]" {
					t.Errorf("%q in deltas of %d: citation %d points to %q", test.text, size, c.Passage.Number, mark)
				}
			}
		}
	}
}

// TestCiterPassesTextAtOnce: only what is undecided waits.
func TestCiterPassesTextAtOnce(t *testing.T) {
	var got []string
	c := NewCiter([]rag.Passage{{Number: 1}}, func(text string, _ []Citation) error {
		got = append(got, text)
		return nil
	})
	for _, delta := range []string{"Red", " kites", " glide", " [", "1", "].", " `x", "`", " so"} {
		if err := c.Write(delta); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"Red", " kites", " glide", " [1].", " ", "`x` so"}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzCiter: however an answer is cut into deltas, the same comes out, and outside of code no number that was not shown.
func FuzzCiter(f *testing.F) {
	for _, seed := range []string{"a [1] b [12]", "`a[0]`[3]", "```\n[4]\n```\n[5]", "【1†x】[1-", "[[7]]", " [ 1 ] `", "[1`2]"} {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		text = strings.ToValidUTF8(text, "")
		if size < 1 || size > 64 {
			size = 1
		}
		whole, all := cite(t, text, len(text)+1)
		parts, cited := cite(t, text, size)
		if whole != parts || len(all) != len(cited) {
			t.Fatalf("%q in deltas of %d: %q, whole %q", text, size, parts, whole)
		}
		if strings.Contains(text, "`") {
			return
		}
		n := 0
		for rest := whole; ; {
			at := strings.IndexAny(rest, "[［【")
			if at < 0 {
				break
			}
			rest = rest[at:]
			end := strings.IndexAny(rest, "]］】")
			if end < 0 {
				break
			}
			inside := strings.TrimLeft(rest, "[［【")
			if close := strings.IndexAny(inside, "]］】"); close > 0 {
				switch number := inside[:close]; {
				case number == "1" || number == "2":
					n++
				case strings.Trim(number, "0123456789") == "":
					t.Fatalf("%q: got %q", text, whole)
				}
			}
			rest = strings.TrimLeft(rest, "[［【")
		}
		if n != len(cited) {
			t.Fatalf("%q: %q has %d citations, %d were told", text, whole, n, len(cited))
		}
	})
}
