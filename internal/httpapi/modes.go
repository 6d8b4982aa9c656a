package httpapi

import (
	"cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/retrieve"
)

// modeOf settles which searches a request wants, empty where neither it nor its collection says, and how they are fused.
func modeOf(c rag.Collection, q api.Search) (rag.Mode, rag.Fusion, error) {
	mode := cmp.Or(q.Mode, c.Mode)
	fusion := retrieve.DefaultFusion()
	if q.Fusion == nil {
		return mode, fusion, nil
	}
	if cmp.Or(mode, retrieve.DefaultMode) != rag.ModeHybrid {
		return mode, fusion, rag.Invalid("/fusion", "fusion is for two searches, and this one is %s; add \"mode\": \"hybrid\", or leave fusion out", mode)
	}
	fusion.Method = cmp.Or(q.Fusion.Method, fusion.Method)
	if q.Fusion.Dense != nil {
		fusion.Dense = *q.Fusion.Dense
	}
	if q.Fusion.Lexical != nil {
		fusion.Lexical = *q.Fusion.Lexical
	}
	if fusion.Dense+fusion.Lexical == 0 {
		return mode, fusion, rag.Invalid("/fusion", "both weights are 0, so nothing would be ranked; give one of them a weight above 0")
	}
	return mode, fusion, nil
}
