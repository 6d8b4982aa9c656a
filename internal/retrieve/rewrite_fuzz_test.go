package retrieve

import "testing"

// FuzzNeedsContext: any text may be a turn, and the last turn is always searched.
func FuzzNeedsContext(f *testing.F) {
	for _, text := range []string{"", "why", "what", "how about it", "is it", "this", "\x00", "🪁 👩‍👩‍👧 \u202e that"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		NeedsContext(text)
		if got := Combined([]Turn{{RoleUser, "first question of all"}, {RoleUser, "x" + text}}); len(got) == 0 || got[0] != 'x' {
			t.Errorf("%q became %q", text, got)
		}
	})
}
