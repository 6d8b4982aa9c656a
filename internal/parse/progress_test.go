package parse

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// slow is an original of which each read takes a second.
type slow struct{ *bytes.Reader }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(time.Second) // the clock is synctest's
	return s.Reader.Read(p)
}

// TestProgressGoesOn reads formats that look at a file more than once: what is told of them never goes back.
func TestProgressGoesOn(t *testing.T) {
	files := map[string]string{
		TypeText:  strings.Repeat("kites over the valley\n\n", 20_000),
		TypeCSV:   "name,pairs\n" + strings.Repeat("red kite,12\n", 30_000),
		TypeJSONL: strings.Repeat(`{"title":"kite","pairs":12}`+"\n", 15_000),
	}
	for mediaType, text := range files {
		t.Run(mediaType, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Options{})
				defer r.Close()
				var told []int
				_, err := r.Stream(t.Context(), rag.Original{ReadSeeker: slow{bytes.NewReader([]byte(text))}, Size: int64(len(text)), MediaType: mediaType}, func(w rag.Window) error {
					told = append(told, w.Done)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.IsSorted(told) || len(told) < 4 || told[len(told)-1] != len(text) {
					t.Errorf("of %d bytes it told %v", len(text), told)
				}
			})
		})
	}
}
