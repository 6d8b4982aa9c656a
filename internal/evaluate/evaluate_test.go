package evaluate

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMeasuresAgreeWithTrecEval compares with values that pytrec_eval computed (testdata/reference.py).
func TestMeasuresAgreeWithTrecEval(t *testing.T) {
	raw, err := os.ReadFile("testdata/metrics.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Ranking  []string
		Relevant map[string]int
		Measures map[string]float64
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for n, c := range cases {
		for _, m := range Measures(100) {
			want, ok := c.Measures[m.Name]
			if got := m.Of(c.Ranking, c.Relevant); !ok || math.Abs(got-want) > 1e-9 {
				t.Errorf("case %d, %s: got %v, want %v", n, m.Name, got, want)
			}
			compared++
		}
	}
	if compared != 40*7 {
		t.Errorf("%d values compared", compared)
	}
}

func TestMeasuresByHand(t *testing.T) {
	relevant := map[string]int{"a": 1, "b": 1, "c": 2}
	ranking := []string{"x", "a", "c", "y", "b"}
	gain := 1/math.Log2(3) + 2/math.Log2(4) + 1/math.Log2(6)
	ideal := 2 + 1/math.Log2(3) + 1/math.Log2(4)
	for _, test := range []struct {
		name      string
		got, want float64
	}{
		{"nDCG@10", NDCG(ranking, relevant, 10), gain / ideal},
		{"nDCG of the ideal ranking", NDCG([]string{"c", "a", "b"}, relevant, 10), 1},
		{"nDCG of nothing", NDCG(nil, relevant, 10), 0},
		{"recall@3", Recall(ranking, relevant, 3), 2.0 / 3},
		{"reciprocal rank", ReciprocalRank(ranking, relevant, 10), 0.5},
		{"reciprocal rank at 1", ReciprocalRank(ranking, relevant, 1), 0},
		{"average precision", AveragePrecision(ranking, relevant, 10), (1.0/2 + 2.0/3 + 3.0/5) / 3},
		{"success@1", Success(ranking, relevant, 1), 0},
		{"success@2", Success(ranking, relevant, 2), 1},
	} {
		if math.Abs(test.got-test.want) > 1e-12 {
			t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
		}
	}
}

func TestDistinct(t *testing.T) {
	if diff := cmp.Diff([]string{"a", "b"}, Distinct([]string{"a", "b", "a", "b"})); diff != "" {
		t.Error(diff)
	}
}
