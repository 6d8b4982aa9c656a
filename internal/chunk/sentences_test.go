package chunk

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSentences(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                      nil,
		" \n":                                   nil,
		"Dr. Ü. Smith came.  He left!\n\nWhy? ": {"Dr. Ü. Smith came.", "He left!", "Why?"},
		"no end":                                {"no end"},
		"日本の鳶は空を飛ぶ。魚も食べる。": {"日本の鳶は空を飛ぶ。", "魚も食べる。"},
	} {
		var got []string
		for _, at := range Sentences(text) {
			got = append(got, text[at[0]:at[1]])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
