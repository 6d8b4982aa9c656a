package evaluate

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMetrics(t *testing.T) {
	relevant := map[string]int{"a": 1, "b": 1, "c": 2}
	ranking := []string{"x", "a", "c", "y", "b"}
	// By hand: gains 0, 1/log2(3), 2/log2(4), 0, 1/log2(6); ideal 2/log2(2) + 1/log2(3) + 1/log2(4).
	gain := 1/math.Log2(3) + 2/math.Log2(4) + 1/math.Log2(6)
	ideal := 2 + 1/math.Log2(3) + 1/math.Log2(4)
	if got := NDCG(ranking, relevant, 10); math.Abs(got-gain/ideal) > 1e-12 {
		t.Errorf("nDCG@10: got %v, want %v", got, gain/ideal)
	}
	if got := NDCG([]string{"c", "a", "b"}, relevant, 10); got != 1 {
		t.Errorf("nDCG of the ideal ranking: got %v", got)
	}
	if got := NDCG(nil, relevant, 10); got != 0 {
		t.Errorf("nDCG of nothing: got %v", got)
	}
	if got := Recall(ranking, relevant, 3); math.Abs(got-2.0/3) > 1e-12 {
		t.Errorf("recall@3: got %v", got)
	}
	if got := ReciprocalRank(ranking, relevant, 10); got != 0.5 {
		t.Errorf("reciprocal rank: got %v", got)
	}
	if got := ReciprocalRank(ranking, relevant, 1); got != 0 {
		t.Errorf("reciprocal rank at 1: got %v", got)
	}
}

func TestMeasureCountsUnansweredQueries(t *testing.T) {
	d := Dataset{
		Queries:  []Text{{ID: "1"}, {ID: "2"}},
		Relevant: map[string]map[string]int{"1": {"a": 1}, "2": {"b": 1}},
	}
	got := Measure(d, map[string][]string{"1": {"a"}})
	if diff := cmp.Diff(Metrics{NDCG10: 0.5, Recall10: 0.5, Recall100: 0.5, MRR10: 0.5}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDistinct(t *testing.T) {
	if diff := cmp.Diff([]string{"a", "b"}, Distinct([]string{"a", "b", "a", "b"})); diff != "" {
		t.Error(diff)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("corpus.jsonl", "{\"_id\":\"a\",\"title\":\"T\",\"text\":\"x\"}\n{\"_id\":\"b\",\"text\":\"y\"}\n")
	write("queries.jsonl", "{\"_id\":\"1\",\"text\":\"q\"}\n{\"_id\":\"2\",\"text\":\"not judged\"}\n{\"_id\":\"3\",\"text\":\"nothing relevant\"}\n")
	write("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\ta\t1\n3\tb\t0\n")
	got, err := Load(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	want := Dataset{
		Name: filepath.Base(dir), Corpus: []Text{{ID: "a", Title: "T", Text: "x"}, {ID: "b", Text: "y"}},
		Queries: []Text{{ID: "1", Text: "q"}}, Relevant: map[string]map[string]int{"1": {"a": 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	write("qrels/test.tsv", "1 a 1\n")
	if _, err := Load(dir, "test"); err == nil {
		t.Error("a malformed judgement was accepted")
	}
}
