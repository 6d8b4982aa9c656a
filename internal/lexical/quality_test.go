package lexical

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/rag"
)

// TestQuality ranks the labelled sets that REDKITE_LABELLED_SETS names (folders in BEIR's layout, separated as in PATH)
// by the product of the two sides alone. SciFact must come near Lucene's BM25, 0.679.
func TestQuality(t *testing.T) {
	folders := filepath.SplitList(os.Getenv("REDKITE_LABELLED_SETS"))
	if len(folders) == 0 {
		t.Skip("REDKITE_LABELLED_SETS names no labelled sets")
	}
	a := analyzer(t)
	for _, folder := range folders {
		set, err := evaluate.Load(folder, "test")
		if err != nil {
			t.Fatal(err)
		}
		rankings := rank(a, set)
		ndcg := evaluate.Mean(set, rankings, 10, evaluate.NDCG)
		t.Logf("%s: %d texts, %d queries, nDCG@10 %.4f, recall@10 %.4f, recall@100 %.4f", set.Name, len(set.Corpus), len(set.Queries), ndcg,
			evaluate.Mean(set, rankings, 10, evaluate.Recall), evaluate.Mean(set, rankings, 100, evaluate.Recall))
		if set.Name == "scifact" && ndcg < 0.67 {
			t.Errorf("nDCG@10 %.4f is below 0.67", ndcg)
		}
	}
}

// rank gives the hundred best texts of each query.
func rank(a *Analyzer, set evaluate.Dataset) map[string][]string {
	type posting struct {
		text   int
		weight float32
	}
	postings, languages := map[uint32][]posting{}, map[string]int{}
	for i, d := range set.Corpus {
		language := Detect(d.Text)
		languages[language]++
		v := a.Document(d.Title+"\n"+d.Text, language)
		for j, term := range v.Terms {
			postings[term] = append(postings[term], posting{i, v.Weights[j]})
		}
	}
	frequencies := map[uint32]int{}
	for term, in := range postings {
		frequencies[term] = len(in)
	}
	var spoken []rag.LanguageChunks
	for language, n := range languages {
		spoken = append(spoken, rag.LanguageChunks{Language: language, Chunks: n})
	}
	slices.SortFunc(spoken, func(x, y rag.LanguageChunks) int { return cmp.Compare(y.Chunks, x.Chunks) })
	rankings := map[string][]string{}
	for _, q := range set.Queries {
		v := a.Query(q.Text, spoken).Vector(frequencies)
		scores := map[int]float64{}
		for j, term := range v.Terms {
			for _, p := range postings[term] {
				scores[p.text] += float64(v.Weights[j]) * float64(p.weight)
			}
		}
		best := slices.SortedFunc(maps.Keys(scores), func(x, y int) int { return cmp.Or(cmp.Compare(scores[y], scores[x]), cmp.Compare(x, y)) })
		for _, i := range best[:min(100, len(best))] {
			rankings[q.ID] = append(rankings[q.ID], set.Corpus[i].ID)
		}
	}
	return rankings
}
