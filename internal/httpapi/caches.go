package httpapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/redkite/redkite/internal/encode"
)

// Caches tell what the encoders keep, by what it is: embeddings, scores, passages.
type Caches interface {
	Caches() map[string]encode.Cache
}

// cacheGauges reads the caches when metrics are scraped.
type cacheGauges struct {
	caches                Caches
	hits, misses, entries *prometheus.Desc
}

// watchCaches shows caches in the metrics; nil shows none.
func (m *metrics) watchCaches(caches Caches) {
	if caches == nil {
		return
	}
	label := []string{"cache"}
	m.registry.MustRegister(&cacheGauges{
		caches:  caches,
		hits:    prometheus.NewDesc("redkite_cache_hits_total", "What the encoders had kept when it was asked for, by cache.", label, nil),
		misses:  prometheus.NewDesc("redkite_cache_misses_total", "What they had not.", label, nil),
		entries: prometheus.NewDesc("redkite_cache_entries", "What they keep.", label, nil),
	})
}

// Describe names the gauges.
func (g *cacheGauges) Describe(out chan<- *prometheus.Desc) {
	out <- g.hits
	out <- g.misses
	out <- g.entries
}

// Collect reads them.
func (g *cacheGauges) Collect(out chan<- prometheus.Metric) {
	for name, c := range g.caches.Caches() {
		out <- prometheus.MustNewConstMetric(g.hits, prometheus.CounterValue, float64(c.Hits), name)
		out <- prometheus.MustNewConstMetric(g.misses, prometheus.CounterValue, float64(c.Misses), name)
		out <- prometheus.MustNewConstMetric(g.entries, prometheus.GaugeValue, float64(c.Entries), name)
	}
}
