package evaluate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// The members of a request that Recombine stands in for.
const (
	memberRerank     = "rerank"
	memberCandidates = "candidates"
	memberWeight     = "cross_weight"
	memberTopK       = "top_k"
)

// What a search does where a request does not say.
const (
	defaultCandidates = 50
	defaultWeight     = 0.5
)

// firstScores are the scores of the first stage in an answer, the one that orders a hybrid search before that of a dense
// one.
func firstScores() []string { return []string{"fused", "fusion", "dense"} }

// logitScore is the cross-encoder's score in an answer.
const logitScore = "rerank_logit"

// Recombination makes out of one answer with every score the order that other depths and weights would give.
type Recombination struct {
	hits  []Hit // in the first stage's order
	first []float64
	logit []float64
}

// Recombine reads an answer whose hits all bear a logit and a score of the first stage; ok is false for any other.
func Recombine(a Answer) (r Recombination, ok bool) {
	score := ""
	for _, name := range firstScores() {
		if len(a.Hits) > 0 && score == "" {
			if _, has := a.Hits[0].Scores[name]; has {
				score = name
			}
		}
	}
	if score == "" {
		return r, false
	}
	hits := slices.Clone(a.Hits)
	slices.SortStableFunc(hits, func(x, y Hit) int { return -cmp.Compare(x.Scores[score], y.Scores[score]) })
	for _, h := range hits {
		first, hasFirst := h.Scores[score]
		logit, hasLogit := h.Scores[logitScore]
		if !hasFirst || !hasLogit {
			return r, false
		}
		r.first, r.logit = append(r.first, first), append(r.logit, logit)
	}
	r.hits = hits
	return r, true
}

// Hits gives the order under a request: the first stage's alone, or of its first candidates the weighted mean of
// z-scores that docs/retrieval.md describes.
func (r Recombination) Hits(q Request) []Hit {
	top := int(q.Number(memberTopK, defaultHits))
	if string(q[memberRerank]) == "false" {
		return r.hits[:min(top, len(r.hits))]
	}
	depth := min(max(int(q.Number(memberCandidates, defaultCandidates)), top), len(r.hits))
	weight := q.Number(memberWeight, defaultWeight)
	logits, firsts := standard(r.logit[:depth]), standard(r.first[:depth])
	order := make([]int, depth)
	for i := range order {
		order[i] = i
	}
	mixed := func(i int) float64 { return weight*logits[i] + (1-weight)*firsts[i] }
	slices.SortStableFunc(order, func(a, b int) int { return -cmp.Compare(mixed(a), mixed(b)) })
	out := make([]Hit, 0, top)
	for _, i := range order[:min(top, depth)] {
		out = append(out, r.hits[i])
	}
	return out
}

// standard gives z-scores; zeros where the values do not differ.
func standard(xs []float64) []float64 {
	m := mean(xs)
	var variance float64
	for _, x := range xs {
		variance += (x - m) * (x - m)
	}
	deviation := math.Sqrt(variance / float64(max(1, len(xs))))
	out := make([]float64, len(xs))
	if deviation < 1e-12 {
		return out
	}
	for i, x := range xs {
		out[i] = (x - m) / deviation
	}
	return out
}

// exhaustive is the request whose answer bears all that a request's other depths and weights need.
func exhaustive(q Request) Request {
	out := Request{}
	for member, raw := range q {
		if !slices.Contains([]string{memberRerank, memberCandidates, memberWeight, memberTopK}, member) {
			out[member] = raw
		}
	}
	out[memberTopK], out[memberCandidates] = json.RawMessage(strconv.Itoa(mostHits)), json.RawMessage(strconv.Itoa(mostHits))
	out["exhaustive"], out["deadline_ms"] = json.RawMessage("true"), json.RawMessage("60000")
	return out
}

// mostHits is what a search gives at most.
const mostHits = 100

// recombined says that a request's depth lies within exhaustive's.
func recombined(q Request) bool { return q.Number(memberCandidates, defaultCandidates) <= mostHits }

// sameOrder compares two rankings: chunks may differ where their scores are alike, as those of equal texts are.
func sameOrder(a, b []Hit) bool {
	alike := func(x, y Numbers) bool {
		return !slices.ContainsFunc(append(firstScores(), logitScore), func(name string) bool { return abs(x[name]-y[name]) > 1e-6 })
	}
	return slices.EqualFunc(a, b, func(x, y Hit) bool { return x.ChunkID == y.ChunkID || alike(x.Scores, y.Scores) })
}

// Grid is the candidates of a search for settings: the values of each member; every combination is one.
type Grid []GridMember

// GridMember is a member of a request and the values to try.
type GridMember struct {
	Name   string
	Values []json.RawMessage
}

// ReadGrid reads a JSON object of lists, such as {"candidates": [20, 50], "cross_weight": [0.3, 0.5]}.
func ReadGrid(path string, raw []byte) (Grid, error) {
	var members map[string][]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fault(path, 0, "want a JSON object of lists, such as {\"candidates\": [20, 50]}: %v", err)
	}
	var g Grid
	for name, values := range members {
		if len(values) == 0 {
			return nil, fault(path, 0, "%s has no value", name)
		}
		g = append(g, GridMember{name, values})
	}
	slices.SortFunc(g, func(a, b GridMember) int { return cmp.Compare(a.Name, b.Name) })
	if len(g) == 0 {
		return nil, fault(path, 0, "there is no member to try")
	}
	return g, nil
}

// Configurations are the combinations, after the empty one, which is what is in use. Where reranking is off the depth and
// weight of reranking say nothing: such combinations are one. The cheap ones come first: without reranking, then by depth.
func (g Grid) Configurations() []Configuration {
	all := []Request{{}}
	for _, member := range g {
		var next []Request
		for _, r := range all {
			for _, value := range member.Values {
				with := Request{member.Name: value}
				for name, raw := range r {
					with[name] = raw
				}
				next = append(next, with)
			}
		}
		all = next
	}
	seen := map[string]bool{}
	out := []Configuration{{Name: "in use", Request: Request{}}}
	for _, r := range all {
		if string(r[memberRerank]) == "false" {
			delete(r, memberCandidates)
			delete(r, memberWeight)
		}
		if name := r.Text(); !seen[name] {
			seen[name] = true
			out = append(out, Configuration{Name: name, Request: r})
		}
	}
	cost := func(c Configuration) float64 {
		if string(c.Request[memberRerank]) == "false" {
			return 0
		}
		return c.Request.Number(memberCandidates, defaultCandidates)
	}
	slices.SortStableFunc(out[1:], func(a, b Configuration) int { return cmp.Compare(cost(a), cost(b)) })
	return out
}

// Without leaves a member out.
func (g Grid) Without(name string) Grid {
	return slices.DeleteFunc(slices.Clone(g), func(m GridMember) bool { return m.Name == name })
}

// String writes the grid as JSON.
func (g Grid) String() string {
	members := map[string][]json.RawMessage{}
	for _, m := range g {
		members[m.Name] = m.Values
	}
	out, err := json.Marshal(members)
	if err != nil {
		return fmt.Sprint(members)
	}
	return string(out)
}
