package retrieve

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"unicode"

	"github.com/redkite/redkite/internal/rag"
)

const (
	// shingle is how many words in a row are compared at once.
	shingle = 3
	// nearlySame is the likeness from which two texts count as the same: shingles that both have, by those that either has
	// (Jaccard). Changing one word in the middle of a passage of 60 words leaves 0.9, of 20 words 0.71.
	nearlySame = 0.8
)

// distinct drops hits whose text repeats that of a better hit. Texts are compared by their words, whatever their case,
// punctuation and spacing: exactly, and for near duplicates by the shingles that they share. All candidates of a search are
// few enough for comparing them all: nothing is guessed, as it would be with fingerprints such as simhash.
func distinct(hits []rag.Hit, which rag.Duplicates, l *ledger) []rag.Hit {
	if which != rag.DuplicatesExact && which != rag.DuplicatesNear {
		return hits
	}
	seed := maphash.MakeSeed()
	exact := make(map[string]rag.ChunkID, len(hits))
	var kept []rag.Hit
	var shingles [][]uint64 // of kept
	for _, h := range hits {
		words := wordsOf(h.Chunk.Shown())
		text := strings.Join(words, " ")
		if of, seen := exact[text]; seen {
			l.note(h.Chunk.ID, OutcomeDuplicate, of, "the same words")
			continue
		}
		if which == rag.DuplicatesNear {
			own := shinglesOf(words, seed)
			if i, likeness := nearest(own, shingles); likeness >= nearlySame {
				l.note(h.Chunk.ID, OutcomeDuplicate, kept[i].Chunk.ID, fmt.Sprintf("shares %.0f %% of its runs of %d words", 100*likeness, shingle))
				continue
			}
			shingles = append(shingles, own)
		}
		exact[text] = h.Chunk.ID
		kept = append(kept, h)
	}
	return kept
}

// nearest gives the set that is most like own, and how like.
func nearest(own []uint64, sets [][]uint64) (best int, likeness float64) {
	for i, set := range sets {
		if l := jaccard(own, set); l > likeness {
			best, likeness = i, l
		}
	}
	return best, likeness
}

// wordsOf gives a text's words in lower case. In scripts that put no blanks between words each character is one.
func wordsOf(text string) []string {
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	for _, c := range text {
		switch {
		case unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			end()
			words = append(words, string(c))
		case unicode.IsLetter(c) || unicode.IsNumber(c) || unicode.IsMark(c) || unicode.IsSymbol(c):
			word.WriteRune(unicode.ToLower(c))
		default:
			end()
		}
	}
	end()
	return words
}

// shinglesOf hashes each run of words, as a sorted set. A text shorter than a run is one.
func shinglesOf(words []string, seed maphash.Seed) []uint64 {
	set := make([]uint64, 0, max(1, len(words)-shingle+1))
	for i := 0; i == 0 || i+shingle <= len(words); i++ {
		set = append(set, maphash.String(seed, strings.Join(words[i:min(i+shingle, len(words))], " ")))
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// jaccard is how many of two sorted sets' members both have, by how many there are.
func jaccard(a, b []uint64) float64 {
	if len(a) == 0 || len(b) == 0 || float64(min(len(a), len(b))) < nearlySame*float64(max(len(a), len(b))) {
		return 0 // can't reach nearlySame
	}
	both := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			both, i, j = both+1, i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return float64(both) / float64(len(a)+len(b)-both)
}
