package milvus

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/lexical"
	"github.com/redkite/redkite/internal/rag"
)

// TestLexicalQuality ranks the labelled sets that REDKITE_LABELLED_SETS names by Milvus Lite's sparse search, as
// internal/lexical's TestQuality does without it.
func TestLexicalQuality(t *testing.T) {
	folders := filepath.SplitList(os.Getenv("REDKITE_LABELLED_SETS"))
	if len(folders) == 0 {
		t.Skip("REDKITE_LABELLED_SETS names no labelled sets")
	}
	c := newClient(t, startLite(t, t.TempDir()).Address())
	a, err := lexical.New()
	must(t, err)
	for n, folder := range folders {
		set, err := evaluate.Load(folder, "test")
		must(t, err)
		g := generation(rag.CollectionID(100 + n))
		rows := make([]Row, len(set.Corpus))
		frequencies := map[uint32]int{}
		languages := []rag.LanguageChunks{{Language: "en", Chunks: len(rows)}}
		for i, d := range set.Corpus {
			rows[i] = Row{Chunk: rag.ChunkID(i + 1), Document: rag.DocumentID(i + 1), Dense: unit(i), Sparse: a.Document(d.Title+"\n"+d.Text, lexical.Detect(d.Text))}
			for _, term := range rows[i].Sparse.Terms {
				frequencies[term]++
			}
		}
		began := time.Now()
		fill(t, c, g, rows)
		must(t, c.Flush(t.Context(), g))
		t.Logf("%s: %d rows written in %v", set.Name, len(rows), time.Since(began))
		rankings := map[string][]string{}
		var took []float64
		for _, q := range set.Queries {
			began := time.Now()
			found, err := c.SearchTerms(t.Context(), g, a.Query(q.Text, languages).Vector(frequencies), 100, nil)
			must(t, err)
			took = append(took, float64(time.Since(began).Microseconds())/1000)
			for _, f := range found {
				rankings[q.ID] = append(rankings[q.ID], set.Corpus[f.Chunk-1].ID)
			}
		}
		ndcg, recall, times := evaluate.Mean(set, rankings, 10, evaluate.NDCG), evaluate.Mean(set, rankings, 100, evaluate.Recall), evaluate.QuantilesOf(took)
		t.Logf("%s: nDCG@10 %.4f, recall@100 %.4f; a search p50 %.1f ms, p95 %.1f ms", set.Name, ndcg, recall, times.P50, times.P95)
		if set.Name == "scifact" && ndcg < 0.67 {
			t.Errorf("nDCG@10 %.4f is below 0.67", ndcg)
		}
	}
}
