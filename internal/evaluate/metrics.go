package evaluate

import (
	"math"
	"slices"
)

// Metrics are means over queries, each from 0 to 1.
type Metrics struct {
	NDCG10    float64 `json:"ndcg_at_10"`
	Recall10  float64 `json:"recall_at_10"`
	Recall100 float64 `json:"recall_at_100"`
	MRR10     float64 `json:"mrr_at_10"`
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

// Recall is the share of the relevant documents that stand in the first k.
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

// ReciprocalRank is 1 divided by the rank of the first relevant document, or 0 when none stands in the first k.
func ReciprocalRank(ranking []string, relevant map[string]int, k int) float64 {
	for i, id := range ranking[:min(k, len(ranking))] {
		if relevant[id] > 0 {
			return 1 / float64(i+1)
		}
	}
	return 0
}

// Measure means the metrics over the judged queries; a query without a ranking counts 0.
func Measure(d Dataset, rankings map[string][]string) Metrics {
	var m Metrics
	for _, q := range d.Queries {
		ranking, relevant := rankings[q.ID], d.Relevant[q.ID]
		m.NDCG10 += NDCG(ranking, relevant, 10)
		m.Recall10 += Recall(ranking, relevant, 10)
		m.Recall100 += Recall(ranking, relevant, 100)
		m.MRR10 += ReciprocalRank(ranking, relevant, 10)
	}
	n := float64(len(d.Queries))
	return Metrics{NDCG10: m.NDCG10 / n, Recall10: m.Recall10 / n, Recall100: m.Recall100 / n, MRR10: m.MRR10 / n}
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
