package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shelves is a searcher over made-up scores: of each query and chunk one of the first stage and a logit.
type shelves struct {
	chunks   int
	asked    []string
	own      float64 // what the server adds to the weight that it is asked for
	unknown  string  // a member that is refused
	degraded bool
	late     string // a query that has no answer
}

func (s *shelves) Search(_ context.Context, r Request) (Answer, error) {
	if _, ok := r[s.unknown]; ok {
		return Answer{}, fmt.Errorf("%w: unknown member %s", ErrRefused, s.unknown)
	}
	var query string
	if err := json.Unmarshal(r["query"], &query); err != nil {
		return Answer{}, err
	}
	s.asked = append(s.asked, r.Text())
	if query == s.late {
		return Answer{Took: 9}, ErrLate
	}
	var hits []Hit
	for i := range s.chunks {
		first, logit := scoresOf(query, i)
		hits = append(hits, Hit{DocumentID: fmt.Sprint("d", i), ChunkID: int64(i), Text: fmt.Sprint("text ", i), Scores: Numbers{"dense": first, "rerank_logit": logit}})
	}
	scores, _ := Recombine(Answer{Hits: hits})
	if s.own != 0 {
		r = maps.Clone(r)
		r["cross_weight"] = json.RawMessage(fmt.Sprint(r.Number("cross_weight", 0.5) + s.own))
	}
	a := Answer{Hits: scores.Hits(r), Reranked: 3, Timings: Numbers{"search": 2}, Took: 5}
	if s.degraded {
		a.Degraded = []string{"rerank_failed"}
	}
	return a, nil
}

// scoresOf makes scores up that do not agree.
func scoresOf(query string, chunk int) (first, logit float64) {
	h := uint64(14695981039346656037)
	for _, c := range []byte(fmt.Sprint(query, "/", chunk)) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return float64(h%1000003) / 1000003, float64(h / 1000003 % 1000003)
}

func madeUp(queries int) Dataset {
	d := Dataset{Name: "made-up", Relevant: map[string]map[string]int{}}
	for i := range queries {
		id := fmt.Sprint("q", i)
		d.Queries = append(d.Queries, Text{ID: id, Text: "what is " + id})
		best, at := -1.0, 0
		for chunk := range 30 { // the logit tells what is relevant
			if _, logit := scoresOf("what is "+id, chunk); logit > best {
				best, at = logit, chunk
			}
		}
		d.Relevant[id] = map[string]int{fmt.Sprint("d", at): 1}
	}
	return d
}

func request(text string) Request {
	var r Request
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		panic(err)
	}
	return r
}

func TestSurvey(t *testing.T) {
	s := &shelves{chunks: 30, unknown: "mode"}
	d := madeUp(40)
	var refused []error
	survey := Survey{
		Set: d, Measures: Measures(20), Searcher: s, Seed: 1, SkipRefused: true, Refused: func(err error) { refused = append(refused, err) },
		Configurations: []Configuration{
			{"first", request(`{"rerank":false,"top_k":20}`)}, {"logit", request(`{"cross_weight":1}`)}, {"lexical", request(`{"mode":"lexical"}`)},
		},
	}
	results, passages, err := survey.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || len(refused) != 1 || !strings.Contains(refused[0].Error(), "lexical") {
		t.Fatalf("%d results, refused %v", len(results), refused)
	}
	first, logit := results[0], results[1]
	if got := logit.Summary.Measures["success@1"]; got.Mean != 1 || got.Low != 1 {
		t.Errorf("what the logit tells: %+v", got)
	}
	if _, ok := logit.Summary.Measures["recall@20"]; ok {
		t.Error("recall@20 of ten hits")
	}
	if got := first.Summary.Measures["recall@20"]; got.Mean == 0 || got.Mean == 1 {
		t.Errorf("recall@20 of twenty hits: %+v", got)
	}
	difference := logit.Differences["ndcg@10"]
	if want := logit.Summary.Measures["ndcg@10"].Mean - first.Summary.Measures["ndcg@10"].Mean; difference.Mean < want-1e-9 || difference.Mean > want+1e-9 || !difference.Excludes(0) {
		t.Errorf("difference %+v, want about %v", difference, want)
	}
	if first.Differences != nil || first.Latency["request"].P95 != 5 || first.Latency["search"].P50 != 2 || first.Reranked != 3 || first.Degraded != 0 {
		t.Errorf("sums %+v", first.Summary)
	}
	if n := len(s.asked); n != 2+2*40 || slices.Equal(s.asked[2:4], []string{s.asked[4], s.asked[5]}) {
		t.Errorf("%d requests; or who begins does not change", n)
	}
	if len(passages) != 30 || passages[3].DocumentID != "d3" {
		t.Errorf("%d passages", len(passages))
	}
	survey.SkipRefused = false
	if _, _, err := survey.Run(t.Context()); !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), "configuration lexical") {
		t.Errorf("refused: %v", err)
	}
	s.degraded = true
	survey.Configurations = survey.Configurations[:1]
	if results, _, err = survey.Run(t.Context()); err != nil || results[0].Degraded != 40 {
		t.Errorf("degraded: %v %+v", err, results[0].Summary)
	}
	s.late = d.Queries[1].Text
	if results, _, err = survey.Run(t.Context()); err != nil || results[0].Late != 1 || !results[0].Queries[1].Late || results[0].Queries[1].Measures["ndcg@10"] != 0 || results[0].Latency["request"].Max != 9 {
		t.Errorf("late: %v %+v", err, results[0].Summary)
	}
}

// surveyed is a run that was asked of made-up scores.
func surveyed(t *testing.T, queries int) (Run, map[int64]Passage) {
	t.Helper()
	d := madeUp(queries)
	results, passages, err := Survey{Set: d, Measures: Measures(), Searcher: &shelves{chunks: 30}, Seed: 1, Configurations: []Configuration{
		{"first", request(`{"rerank":false}`)}, {"half", request(`{}`)}, {"logit", request(`{"cross_weight":1}`)},
	}}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	return Run{
		ID: NewID(made, "made up/x"), Made: made, Set: d.Facts(), Questions: d.Questions(), Results: results, Version: "1", Seed: 1,
		Collection: CollectionFacts{Name: "c", Fingerprint: strings.Repeat("ab", 32), Documents: 30, Chunks: 30},
		Models:     []ModelFacts{{"bge", "bi-encoder", "11"}},
	}, passages
}

func TestRunsAreKept(t *testing.T) {
	run, passages := surveyed(t, 20)
	runs := t.TempDir()
	dir, err := run.Keep(runs, passages)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{run.ID, dir} {
		got, kept, err := Open(runs, name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(run, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(passages, kept); diff != "" {
			t.Error(diff)
		}
	}
	if all, err := Kept(runs); err != nil || len(all) != 1 || all[0].ID != "20261125T120000Z-made-up-x" {
		t.Errorf("kept: %d, %v", len(all), err)
	}
	if all, err := Kept(runs + "/none"); err != nil || len(all) != 0 {
		t.Errorf("kept nowhere: %d, %v", len(all), err)
	}
	if _, _, err := Open(runs, "nothing"); !errors.Is(err, ErrFault) {
		t.Errorf("no such run: %v", err)
	}
	if _, err := run.Result("none"); !errors.Is(err, ErrFault) || !strings.Contains(err.Error(), "first, half, logit") {
		t.Errorf("no such configuration: %v", err)
	}
}

func TestUnlike(t *testing.T) {
	a, _ := surveyed(t, 20)
	b := a
	b.ID = "other"
	if got := Unlike(a, b); len(got) != 0 {
		t.Errorf("alike: %v", got)
	}
	b.Collection.Fingerprint, b.Version, b.Models, b.Set.Judgements = "cd", "2", nil, "ef"
	want := []string{"content searched", "questions or their judgements", "server's version differs: 1 in", "bi-encoder differs: bge 11 in"}
	got := Unlike(a, b)
	if len(got) != len(want) {
		t.Fatalf("unlike: %v", got)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("%q does not say %q", got[i], want[i])
		}
	}
}

func TestCompare(t *testing.T) {
	run, passages := surveyed(t, 40)
	side := func(name string) Side {
		r, err := run.Result(name)
		if err != nil {
			t.Fatal(err)
		}
		return Side{run, r, passages}
	}
	c, err := Compare(side("first"), side("logit"), "ndcg@10", 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Better) == 0 || len(c.Worse) != 0 || len(c.Better)+c.Same != 40 || c.Queries != 40 || !c.Difference.Excludes(0) || len(c.Unlike) != 0 {
		t.Errorf("%d better, %d worse, %d same, %+v", len(c.Better), len(c.Worse), c.Same, c.Difference)
	}
	top := c.Better[0]
	if top.After != 1 || top.Before > c.Better[len(c.Better)-1].Before || len(top.B) != 3 || !top.B[0].Relevant || top.A[0].Relevant || top.B[0].Text == "" {
		t.Errorf("the first change: %+v", top)
	}
	other, _ := surveyed(t, 10)
	other.ID = "fewer"
	if c, err = Compare(side("first"), Side{other, other.Results[0], passages}, "ndcg@10", 3); err != nil || c.Queries != 10 || c.Same != 10 || len(c.Unlike) != 1 {
		t.Errorf("with fewer questions: %+v, %v", c, err)
	}
	if _, err := Compare(side("first"), side("logit"), "ndcg@11", 3); !errors.Is(err, ErrFault) {
		t.Errorf("no such measure: %v", err)
	}
	other.Questions = []Question{{ID: "else", Text: "?"}}
	if _, err := Compare(side("first"), Side{other, other.Results[0], passages}, "ndcg@10", 3); !errors.Is(err, ErrFault) {
		t.Errorf("nothing in common: %v", err)
	}
}

func TestMarkdown(t *testing.T) {
	run, _ := surveyed(t, 40)
	got := run.Markdown()
	for _, want := range []string{"| configuration | ndcg@10 | success@1 |", "| first |", "| logit | 1.0000 (1.0000 to 1.0000) |", "**+", "| ms, p50 / p95 | search | request |", "| 2 / 2 | 5 / 5 | 3.0 | 0 | 0 |", "bge (11)"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestNumbersPassOverTheRest(t *testing.T) {
	var h Hit
	if err := json.Unmarshal([]byte(`{"scores":{"dense":0.5,"blend":null,"ranks":{"dense":1}},"document_id":"a"}`), &h); err != nil || len(h.Scores) != 1 || h.Scores["dense"] != 0.5 {
		t.Errorf("%v %v", h, err)
	}
}
