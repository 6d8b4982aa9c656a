package llm

import "testing"

func TestThoughtsAreTakenOut(t *testing.T) {
	tests := []struct{ text, want string }{
		{"<think>Hm, [1] or [2]?</think>\n\nKites glide.", "Kites glide."},
		{"\n<think>\n\n</think>\n\nKites <think>glide</think>.", "Kites <think>glide</think>."},
		{"Kites glide.", "Kites glide."},
		{"  <thin air>", "  <thin air>"},
		{"<think>without an end", ""},
		{"<th", "<th"},
		{"", ""},
	}
	for _, test := range tests {
		for size := 1; size <= len(test.text)+1; size++ {
			var thought thoughts
			got := ""
			for rest := test.text; rest != ""; {
				n := min(size, len(rest))
				got += thought.pass(rest[:n])
				rest = rest[n:]
			}
			if got += thought.rest(); got != test.want {
				t.Errorf("%q in deltas of %d: got %q", test.text, size, got)
			}
		}
	}
}
