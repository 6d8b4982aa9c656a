package app

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/bert"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/rag"
)

var update = flag.Bool("update", false, "rewrite testdata/golden/ranking.golden and docs/compatibility.md")

// goldenConfigurations are what is ranked; one that the server does not take is left out.
func goldenConfigurations() []evaluate.Configuration {
	var out []evaluate.Configuration
	for _, text := range []string{`default={}`, `dense={"mode":"dense","rerank":false}`, `lexical={"mode":"lexical","rerank":false}`, `hybrid={"mode":"hybrid","rerank":false}`} {
		c, err := evaluate.ParseConfiguration("golden", text)
		if err != nil {
			panic(err)
		}
		out = append(out, c)
	}
	return out
}

// goldenRanking is what one configuration gave for one set: means, and the first hits of every query. It is compared with
// tolerances, as kernels of other processors round differently:
//
//   - nDCG@10 and recall@10 may differ by 0.04, success@1, MRR and MAP by 0.11: here are few questions, and one tie at the
//     first place is that much;
//   - a score of a document in the first three by what goldenTolerance says;
//   - two documents may have changed places where their scores, as they are now, are that close: in a tenth of all places with
//     ONNX Runtime's kernels, which the file was made with, and in a quarter with others.
type goldenRanking struct {
	Set           string               `json:"set"`
	Configuration string               `json:"configuration"`
	Means         map[string]float64   `json:"means"`
	Queries       map[string][]goldHit `json:"queries"`
}

type goldHit struct {
	Document string  `json:"document"`
	Score    string  `json:"score"` // its name
	Value    float64 `json:"value"`
}

// goldenShown is how many hits of a query are in the golden file; more are looked at for ties.
const goldenShown = 3

// goldenScores are the scores that may have ordered the hits, the last stage's first.
func goldenScores() []string { return []string{"final", "blend", "fused", "lexical", "dense"} }

// goldenTolerance is how far a score may be off: more than what AMX and ONNX Runtime's kernels were seen to differ by here.
// A blend is in units of the candidates' spread and reaches 5, so it differs by more. BM25 does not depend on kernels; a fused score does by the dense
// one, laid on a range of a fifth or more.
func goldenTolerance(score string) float64 {
	switch score {
	case "dense":
		return 0.01
	case "lexical":
		return 1e-3
	case "fused":
		return 0.05
	}
	return 0.25
}

// meanTolerance is how far a mean may be off.
func meanTolerance(measure string) float64 {
	if measure == "ndcg@10" || measure == "recall@10" {
		return 0.041
	}
	return 0.11
}

func TestGoldenRanking(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the tests with models")
	}
	const path = "testdata/golden/ranking.golden"
	if *update { // ONNX Runtime's kernels run everywhere
		raw, err := json.MarshalIndent(ranked(t, onnxKernels), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run with -update to make it", err)
	}
	var want []goldenRanking
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	kernels := []string{onnxKernels}
	if len(bert.Supported()) > 0 {
		kernels = append(kernels, autoKernels)
	}
	for _, k := range kernels {
		ties := 0.1
		if k != onnxKernels {
			ties = 0.25
		}
		t.Run(k, func(t *testing.T) { compareGolden(t, want, ranked(t, k), ties) })
	}
}

// ranked starts a server with some kernels, fills it with the sets of testdata/golden and asks their queries.
func ranked(t *testing.T, kernels string) []goldenRanking {
	t.Helper()
	s := settings(t, t.TempDir())
	s.Kernels, s.SearchDeadline = kernels, 10*time.Minute // however busy the machine is, all is read
	running := start(t, s)
	defer running.stop() // ONNX Runtime is open once in a process
	server := client.New(running.base, "")
	var out []goldenRanking
	for _, name := range []string{"scifact", "xquad-en"} {
		set, err := evaluate.Load(filepath.Join("testdata/golden", name), "test")
		if err != nil {
			t.Fatal(err)
		}
		fillGolden(t, server, name, set)
		for _, c := range goldenConfigurations() {
			if r, ok := rankGolden(t, server, set, c); ok {
				out = append(out, r)
			}
		}
	}
	return out
}

func fillGolden(t *testing.T, server *client.Client, name string, set evaluate.Dataset) {
	t.Helper()
	if _, err := server.CreateCollection(t.Context(), api.NewCollection{Name: name}); err != nil {
		t.Fatal(err)
	}
	documents := make([]api.NewDocument, len(set.Corpus))
	for i, d := range set.Corpus {
		documents[i] = api.NewDocument{ID: d.ID, Title: d.Title, Text: d.Text}
	}
	if _, err := server.UploadDocuments(t.Context(), name, documents); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := server.Collection(t.Context(), name)
		if err != nil || c.Documents.Failed > 0 {
			t.Fatalf("fill %s: %v, %+v", name, err, c.Documents)
		}
		if c.Documents.Pending == 0 {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// rankGolden asks every query; ok is false where the server does not take the configuration.
func rankGolden(t *testing.T, server *client.Client, set evaluate.Dataset, c evaluate.Configuration) (r goldenRanking, ok bool) {
	t.Helper()
	r = goldenRanking{Set: set.Name, Configuration: c.Name, Means: map[string]float64{}, Queries: map[string][]goldHit{}}
	for _, q := range set.Queries {
		var a evaluate.Answer
		err := server.SearchRaw(t.Context(), set.Name, c.Request.With(q.Text), &a)
		if errors.Is(err, rag.ErrInvalid) {
			t.Logf("configuration %s is left out: %v", c.Name, err)
			return r, false
		}
		if err != nil || len(a.Degraded) > 0 {
			t.Fatalf("query %s: %v, degraded %v", q.ID, err, a.Degraded)
		}
		for _, m := range evaluate.Measures() {
			r.Means[m.Name] += m.Of(set.Items(q.ID, a.Hits), set.Relevant[q.ID]) / float64(len(set.Queries))
		}
		for _, h := range a.Hits {
			if slices.ContainsFunc(r.Queries[q.ID], func(o goldHit) bool { return o.Document == h.DocumentID }) {
				continue // the document's best chunk stands for it
			}
			at := slices.IndexFunc(goldenScores(), func(name string) bool { _, has := h.Scores[name]; return has })
			if at < 0 {
				t.Fatalf("query %s: a hit with scores %v", q.ID, h.Scores)
			}
			name := goldenScores()[at]
			r.Queries[q.ID] = append(r.Queries[q.ID], goldHit{h.DocumentID, name, math.Round(h.Scores[name]*1000) / 1000})
		}
	}
	for name, mean := range r.Means {
		r.Means[name] = math.Round(mean*1000) / 1000
	}
	return r, true
}

// compareGolden applies the rules that goldenRanking states; ties is the share of places that may have changed by ties.
func compareGolden(t *testing.T, want, got []goldenRanking, ties float64) {
	t.Helper()
	for _, g := range got {
		at := slices.IndexFunc(want, func(w goldenRanking) bool { return w.Set == g.Set && w.Configuration == g.Configuration })
		if at < 0 {
			t.Errorf("%s, %s is not in the golden file: run with -update and look at the difference", g.Set, g.Configuration)
			continue
		}
		w := want[at]
		for name, mean := range w.Means {
			if math.Abs(mean-g.Means[name]) > meanTolerance(name) {
				t.Errorf("%s, %s: %s is %.3f, was %.3f", g.Set, g.Configuration, name, g.Means[name], mean)
			}
		}
		places, swapped, most := 0, 0, 0.0
		for id, hits := range w.Queries {
			for place, old := range hits[:min(goldenShown, len(hits))] {
				places++
				if at := slices.IndexFunc(g.Queries[id], func(h goldHit) bool { return h.Document == old.Document }); at >= 0 {
					most = max(most, math.Abs(g.Queries[id][at].Value-old.Value))
				}
				changed, wrong := comparePlace(old, place, g.Queries[id])
				if wrong != "" {
					t.Errorf("%s, %s, query %s, place %d: %s", g.Set, g.Configuration, id, place+1, wrong)
				}
				if changed {
					swapped++
				}
			}
		}
		if float64(swapped) > ties*float64(places) {
			t.Errorf("%s, %s: %d of %d first places have changed by ties", g.Set, g.Configuration, swapped, places)
		}
		t.Logf("%s, %s: nDCG@10 %.3f (golden %.3f), %d of %d places swapped, scores off by %.3f", g.Set, g.Configuration, g.Means["ndcg@10"], w.Means["ndcg@10"], swapped, places, most)
	}
	if len(got) < len(want) {
		t.Errorf("%d rankings, the golden file has %d", len(got), len(want))
	}
}

// comparePlace looks for a golden hit where it was, or at a place that is as good.
func comparePlace(old goldHit, place int, now []goldHit) (changed bool, wrong string) {
	at := slices.IndexFunc(now, func(h goldHit) bool { return h.Document == old.Document })
	switch {
	case at < 0 || place >= len(now):
		return true, fmt.Sprintf("%s is gone", old.Document)
	case now[at].Score != old.Score:
		return at != place, fmt.Sprintf("%s is ordered by %s, was by %s", old.Document, now[at].Score, old.Score)
	case math.Abs(now[at].Value-old.Value) > goldenTolerance(old.Score):
		return at != place, fmt.Sprintf("%s of %s is %.3f, was %.3f", old.Score, old.Document, now[at].Value, old.Value)
	case now[at].Document != now[place].Document && math.Abs(now[at].Value-now[place].Value) > goldenTolerance(old.Score):
		return true, fmt.Sprintf("%s (%.3f) stands at %d behind %s (%.3f)", old.Document, now[at].Value, at+1, now[place].Document, now[place].Value)
	}
	return now[at].Document != now[place].Document, ""
}

// TestGoldenRulesTellAChange breaks a ranking in the ways that must show.
func TestGoldenRulesTellAChange(t *testing.T) {
	now := []goldHit{{"a", "dense", 0.9}, {"b", "dense", 0.895}, {"c", "dense", 0.7}}
	tests := []struct {
		name    string
		old     goldHit
		place   int
		changed bool
		wrong   bool
	}{
		{"the same", goldHit{"a", "dense", 0.9}, 0, false, false},
		{"another processor's rounding", goldHit{"a", "dense", 0.904}, 0, false, false},
		{"a tie", goldHit{"b", "dense", 0.896}, 0, true, false},
		{"another score", goldHit{"a", "dense", 0.85}, 0, false, true},
		{"another order", goldHit{"c", "dense", 0.705}, 0, true, true},
		{"gone", goldHit{"z", "dense", 0.9}, 0, true, true},
		{"ordered by another score", goldHit{"a", "blend", 0.9}, 0, false, true},
	}
	for _, test := range tests {
		if changed, wrong := comparePlace(test.old, test.place, now); changed != test.changed || (wrong != "") != test.wrong {
			t.Errorf("%s: changed %v, %q", test.name, changed, wrong)
		}
	}
}
