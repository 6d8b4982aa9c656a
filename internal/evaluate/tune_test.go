package evaluate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// noise is a table of candidates that differ by chance alone, but for one that is better by gain.
func noise(random *rand.Rand, candidates, queries, better int, gain float64) Table {
	table := Table{}
	base := make([]float64, queries)
	for q := range base {
		base[q] = random.Float64()
	}
	for i := range candidates {
		values := slices.Clone(base)
		for q := range values {
			if i > 0 {
				values[q] += 0.2 * random.NormFloat64()
			}
			if i == better {
				values[q] += gain
			}
		}
		table.Candidates = append(table.Candidates, Configuration{Name: fmt.Sprint("c", i)})
		table.Values = append(table.Values, values)
	}
	return table
}

// TestChooseTakesNoNoiseForAGain tunes on candidates without any difference: hardly ever may it speak of a gain.
func TestChooseTakesNoNoiseForAGain(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	told := 0
	const trials = 120
	for trial := range trials {
		if noise(random, 30, 60, -1, 0).Choose(5, uint64(trial)).Told {
			told++
		}
	}
	if told > trials/20 {
		t.Errorf("%d of %d times noise is called a gain", told, trials)
	}
}

func TestChooseFindsAGain(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	c := noise(random, 30, 100, 17, 0.15).Choose(5, 1)
	if !c.Told || c.Index != 17 || c.Chosen.Name != "c17" || c.Gain.Mean < 0.08 || c.Gain.Mean > 0.22 || len(c.Folds) != 5 {
		t.Errorf("choice %+v", c)
	}
	worse := noise(random, 5, 100, 0, 0.3) // what is in use is the best
	if c := worse.Choose(5, 1); c.Told || c.Index != 0 || c.Gain != (Interval{}) {
		t.Errorf("choice %+v", c)
	}
}

func TestGrid(t *testing.T) {
	g, err := ReadGrid("g", []byte(`{"candidates":[50,10],"rerank":[true,false],"cross_weight":[0.5,1],"mode":["dense","hybrid"]}`))
	if err != nil {
		t.Fatal(err)
	}
	all := g.Configurations()
	if len(all) != 1+2*(1+2*2) || all[0].Name != "in use" || string(all[1].Request["rerank"]) != "false" || all[3].Request.Number("candidates", 0) != 10 {
		t.Errorf("%d configurations: %+v", len(all), all)
	}
	if got := g.Without("mode").Without("rerank").String(); got != `{"candidates":[50,10],"cross_weight":[0.5,1]}` {
		t.Error(got)
	}
	for _, bad := range []string{`{}`, `[]`, `{"a":[]}`, `{"a":1}`} {
		if _, err := ReadGrid("g", []byte(bad)); !errors.Is(err, ErrFault) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestTuning(t *testing.T) {
	grid, err := ReadGrid("g", []byte(`{"candidates":[10,30],"rerank":[true,false],"cross_weight":[0.2,1],"mode":["hybrid"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name     string
		own      float64
		requests int
		told     string
	}{
		// "in use" and the exhaustive one for each query, six looks, and one of each member.
		{"worked out", 0, 2*40 + 6 + 3, ""},
		// The first look already shows another order: all six combinations are asked for, and one is in vain.
		{"not as worked out", -0.15, 6*40 + 2 + 3, "each of 5 combinations is asked for"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &shelves{chunks: 30, unknown: "mode", own: test.own}
			var told []string
			done, total := 0, 0
			table, err := Tuning{
				Set: madeUp(40), Grid: grid, Measure: Measures()[0], Searcher: s, Told: func(line string) { told = append(told, line) },
				Asked: func(d, of int) { done, total = d, of },
			}.Table(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(table.Candidates) != 1+1+4 {
				t.Fatalf("candidates %+v", table.Candidates)
			}
			if c := table.Choose(5, 1); !c.Told || c.Chosen.Request.Number("candidates", 0) != 30 || c.Chosen.Request.Number("cross_weight", 0) != 1 || done != total {
				t.Errorf("choice %+v; %d of %d", c, done, total)
			}
			if !strings.Contains(told[0], "mode is left out") || !strings.Contains(strings.Join(told[1:], ""), test.told) {
				t.Errorf("told %v", told)
			}
			if test.own == 0 && len(s.asked) != test.requests {
				t.Errorf("%d requests, want %d", len(s.asked), test.requests)
			}
		})
	}
	_, err = Tuning{Set: madeUp(40), Grid: grid.Without("candidates").Without("rerank").Without("cross_weight"), Measure: Measures()[0], Searcher: &shelves{unknown: "mode"}}.Table(t.Context())
	if !errors.Is(err, ErrFault) {
		t.Errorf("nothing left to try: %v", err)
	}
}

func TestRecombineNeedsEveryScore(t *testing.T) {
	for _, hits := range [][]Hit{nil, {{Scores: Numbers{"rerank_logit": 1}}}, {{Scores: Numbers{"dense": 1, "rerank_logit": 1}}, {Scores: Numbers{"dense": 1}}}} {
		if _, ok := Recombine(Answer{Hits: hits}); ok {
			t.Errorf("%v can be recombined", hits)
		}
	}
	if got := exhaustive(request(`{"mode":"dense","cross_weight":0.3}`)).Text(); got != `{"candidates":100,"deadline_ms":60000,"exhaustive":true,"mode":"dense","top_k":100}` {
		t.Error(got)
	}
}
