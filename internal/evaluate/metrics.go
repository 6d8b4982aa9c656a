package evaluate

import (
	"fmt"
	"math"
	"slices"
)

// Measure is a measure of a ranking, from 0 to 1.
type Measure struct {
	Name  string
	Depth int // of the ranking that it looks at
	Of    func(ranking []string, relevant map[string]int) float64
}

// Measures are those that are computed of each question: nDCG@10, success@1, MRR@10, MAP@10, recall@10, and for each
// other depth MAP and recall.
func Measures(depths ...int) []Measure {
	at := func(k int, of func([]string, map[string]int, int) float64) func([]string, map[string]int) float64 {
		return func(ranking []string, relevant map[string]int) float64 { return of(ranking, relevant, k) }
	}
	out := []Measure{
		{"ndcg@10", 10, at(10, NDCG)}, {"success@1", 1, at(1, Success)}, {"mrr@10", 10, at(10, ReciprocalRank)},
		{"map@10", 10, at(10, AveragePrecision)}, {"recall@10", 10, at(10, Recall)},
	}
	for _, k := range depths {
		for _, m := range []Measure{{fmt.Sprintf("map@%d", k), k, at(k, AveragePrecision)}, {fmt.Sprintf("recall@%d", k), k, at(k, Recall)}} {
			if !slices.ContainsFunc(out, func(o Measure) bool { return o.Name == m.Name }) {
				out = append(out, m)
			}
		}
	}
	return out
}

// Mean means a measure over the queries of a set; rankings are by query, and a query without one counts as 0.
func Mean(set Dataset, rankings map[string][]string, k int, of func(ranking []string, relevant map[string]int, k int) float64) float64 {
	var sum float64
	for _, q := range set.Queries {
		sum += of(rankings[q.ID], set.Relevant[q.ID], k)
	}
	return sum / float64(max(1, len(set.Queries)))
}

// NDCG is the normalised discounted cumulative gain of a ranking at depth k: linear gain, discount log2(rank + 1), the
// ideal ranking's gain as the norm (Järvelin and Kekäläinen 2002, as trec_eval's ndcg_cut computes it).
func NDCG(ranking []string, relevant map[string]int, k int) float64 {
	var gain float64
	for i, id := range ranking[:min(k, len(ranking))] {
		gain += float64(relevant[id]) / math.Log2(float64(i+2))
	}
	grades := make([]int, 0, len(relevant))
	for _, g := range relevant {
		grades = append(grades, g)
	}
	slices.SortFunc(grades, func(a, b int) int { return b - a })
	var ideal float64
	for i, g := range grades[:min(k, len(grades))] {
		ideal += float64(g) / math.Log2(float64(i+2))
	}
	if ideal == 0 {
		return 0
	}
	return gain / ideal
}

// Recall is the share of the relevant documents that stand in the first k (trec_eval's recall).
func Recall(ranking []string, relevant map[string]int, k int) float64 {
	if len(relevant) == 0 {
		return 0
	}
	found := 0
	for _, id := range ranking[:min(k, len(ranking))] {
		if relevant[id] > 0 {
			found++
		}
	}
	return float64(found) / float64(len(relevant))
}

// ReciprocalRank is 1 divided by the rank of the first relevant document, or 0 when none stands in the first k
// (trec_eval's recip_rank of a ranking that ends at k).
func ReciprocalRank(ranking []string, relevant map[string]int, k int) float64 {
	for i, id := range ranking[:min(k, len(ranking))] {
		if relevant[id] > 0 {
			return 1 / float64(i+1)
		}
	}
	return 0
}

// AveragePrecision is the mean over the relevant documents of the precision at each one's rank, 0 for one that does not
// stand in the first k (trec_eval's map_cut). Its mean over queries is MAP.
func AveragePrecision(ranking []string, relevant map[string]int, k int) float64 {
	if len(relevant) == 0 {
		return 0
	}
	found, sum := 0, 0.0
	for i, id := range ranking[:min(k, len(ranking))] {
		if relevant[id] > 0 {
			found++
			sum += float64(found) / float64(i+1)
		}
	}
	return sum / float64(len(relevant))
}

// Success is 1 where a relevant document stands in the first k, else 0 (trec_eval's success).
func Success(ranking []string, relevant map[string]int, k int) float64 {
	if ReciprocalRank(ranking, relevant, k) > 0 {
		return 1
	}
	return 0
}

// Distinct keeps the first occurrence of every id: several chunks of one document are one result.
func Distinct(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

func mean(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	var sum float64
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}
