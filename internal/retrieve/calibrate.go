package retrieve

import (
	"math"

	"github.com/redkite/redkite/internal/rag"
)

// calibrate gives every hit that the cross-encoder has read its relevance, and must come after blend.
//
// A blend orders the hits of one search and has no level: each search has its own means and deviations. So it is said as a
// logit: x = m + s*z, with z the hit's blend in standard deviations from the mean blend, m and s the mean and the deviation
// of the logits of the hits that were read. x grows with the blend, so relevance, a logistic of x, keeps the order of the
// hits; and its level is that of the cross-encoder's logits, which can be compared between searches. Without a calibration
// the logistic is the plain one, which is not a probability.
func calibrate(hits []rag.Hit, c *rag.Calibration) {
	var logits, blends []float64
	for _, h := range hits {
		if h.Scores.RerankLogit != nil && h.Scores.Blend != nil {
			logits, blends = append(logits, *h.Scores.RerankLogit), append(blends, *h.Scores.Blend)
		}
	}
	if c == nil {
		c = &rag.Calibration{Slope: 1}
	}
	level, blend := spreadOf(logits), spreadOf(blends)
	for i, h := range hits {
		if h.Scores.RerankLogit == nil || h.Scores.Blend == nil {
			continue
		}
		x := level.mean + level.deviation*blend.z(*h.Scores.Blend)
		relevance := 1 / (1 + math.Exp(-(c.Intercept + c.Slope*x)))
		hits[i].Scores.Relevance = &relevance
	}
}
