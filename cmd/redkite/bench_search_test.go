package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/evaluate"
)

func TestRoundOf(t *testing.T) {
	searched := func(reranked int, embed float64, took time.Duration, degraded ...string) answer {
		return answer{api.SearchResult{Reranked: reranked, Degraded: degraded, TimingsMS: api.Timings{Embed: embed}}, took, nil}
	}
	got := roundOf(2, []answer{
		searched(50, 4, 300*time.Millisecond),
		{err: errors.New("too many searches"), took: time.Hour},
		searched(5, 8, 500*time.Millisecond, "rerank_deadline"),
	}, 2*time.Second)
	none := evaluate.Quantiles{}
	want := benchRound{
		Clients: 2, Requests: 3, Failed: 1, Degraded: 1, RequestsASecond: 1, RerankedMean: 27.5, FirstError: "too many searches",
		Stages: []benchStage{
			{"embed", evaluate.Quantiles{P50: 4, P95: 8, P99: 8, Max: 8}}, {"search", none}, {"live", none}, {"rerank", none}, {"total", none},
			{"request", evaluate.Quantiles{P50: 300, P95: 500, P99: 500, Max: 500}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
