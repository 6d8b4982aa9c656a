package httpapi

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/redkite/redkite/internal/answer"
	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/retrieve"
)

// metrics are what /metrics shows. No label names a tenant, a user, a collection or a file.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	stages   *prometheus.HistogramVec
	degraded *prometheus.CounterVec
	answers  *prometheus.CounterVec
	tokens   *prometheus.HistogramVec
}

func newMetrics(stats Stats, lanes Lanes, log *slog.Logger) *metrics {
	buckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "redkite_http_requests_total", Help: "Requests answered."}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "redkite_http_request_duration_seconds", Help: "Time to answer.", Buckets: buckets}, []string{"route", "method"}),
		stages:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "redkite_search_stage_seconds", Help: "Time of a search by stage.", Buckets: buckets}, []string{"stage"}),
		degraded: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "redkite_search_degraded_total", Help: "Searches that could not do all they were asked, by reason."}, []string{"reason"}),
		answers:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "redkite_answers_total", Help: "Answers of the LLM, by how they ended: a finish reason, or the code of what went wrong."}, []string{"reason"}),
		tokens:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "redkite_answer_seconds", Help: "Time of an answer: to its first text, of that in the LLM, and in all.", Buckets: append(buckets, 60, 120, 300)}, []string{"stage"}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.stages, m.degraded, m.answers, m.tokens, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newGauges(stats, lanes, log))
	return m
}

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route, method).Observe(took.Seconds())
}

func (m *metrics) searched(r retrieve.Result) {
	for stage, took := range map[string]time.Duration{
		"embed": r.Timings.Embed, "search": r.Timings.Search, "lexical": r.Timings.Lexical, "live": r.Timings.Live, "rerank": r.Timings.Rerank, "total": r.Timings.Total,
		"rewrite": r.Timings.Rewrite, "shape": r.Timings.Shape, "expand": r.Timings.Expand, "highlight": r.Timings.Highlight,
	} {
		if took > 0 {
			m.stages.WithLabelValues(stage).Observe(took.Seconds())
		}
	}
	for _, reason := range r.Degraded {
		m.degraded.WithLabelValues(reason).Inc()
	}
}

// answered counts an answer, and times one that ended well.
func (m *metrics) answered(done api.Done, err error) {
	m.answers.WithLabelValues(reason(done, err)).Inc()
	if err != nil || done.FinishReason == answer.FinishNothing {
		return
	}
	for stage, ms := range map[string]float64{"first_token": done.FirstTokenMS, "llm_first_token": done.LLMFirstMS, "total": done.TotalMS} {
		m.tokens.WithLabelValues(stage).Observe(ms / 1000)
	}
}

// gauges reads the catalog when metrics are scraped.
type gauges struct {
	stats                 Stats
	lanes                 Lanes
	log                   *slog.Logger
	jobs, documents, busy *prometheus.Desc
	slots                 *prometheus.Desc
}

// scrapeTimeout bounds the catalog's part of a scrape.
const scrapeTimeout = 3 * time.Second

func newGauges(stats Stats, lanes Lanes, log *slog.Logger) *gauges {
	return &gauges{
		stats: stats, lanes: lanes, log: log,
		busy:      prometheus.NewDesc("redkite_encoder_busy_seconds_total", "Time that the encoders' slots were in use, by lane: queries or ingestion.", []string{"lane"}, nil),
		slots:     prometheus.NewDesc("redkite_encoder_slots", "Encoder runs that go on at once.", nil, nil),
		jobs:      prometheus.NewDesc("redkite_jobs", "Jobs that are not over, by state.", []string{"state"}, nil),
		documents: prometheus.NewDesc("redkite_documents", "Documents by the state of their newest version.", []string{"status"}, nil),
	}
}

// Describe names the gauges.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	out <- g.jobs
	out <- g.documents
	out <- g.busy
	out <- g.slots
}

// Collect reads them.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	if g.lanes != nil {
		out <- prometheus.MustNewConstMetric(g.slots, prometheus.GaugeValue, float64(g.lanes.Size()))
		out <- prometheus.MustNewConstMetric(g.busy, prometheus.CounterValue, g.lanes.Busy(encode.InteractiveLane).Seconds(), "queries")
		out <- prometheus.MustNewConstMetric(g.busy, prometheus.CounterValue, g.lanes.Busy(encode.BatchLane).Seconds(), "ingestion")
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	jobs, err := g.stats.QueueDepth(ctx)
	for state, n := range jobs {
		out <- prometheus.MustNewConstMetric(g.jobs, prometheus.GaugeValue, float64(n), string(state))
	}
	documents, docErr := g.stats.DocumentsByStatus(ctx)
	for status, n := range documents {
		out <- prometheus.MustNewConstMetric(g.documents, prometheus.GaugeValue, float64(n), string(status))
	}
	if err != nil || docErr != nil {
		g.log.WarnContext(ctx, "metrics are not complete", "jobs_error", err, "documents_error", docErr)
	}
}
