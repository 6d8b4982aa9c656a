package httpapi

import (
	"cmp"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/api/openai"
	"github.com/redkite/redkite/internal/rag"
)

const (
	maxStoreResults   = 50
	usualStoreResults = 10
	maxStoreQueries   = 10
	maxStoreQuery     = 8000 // characters, as in the native search
	storeCandidates   = 50   // as the native search has without a number
)

// searchStore searches natively for each of a request's queries.
func (s *Server) searchStore(c *gin.Context, collection rag.Collection) (any, error) {
	ctx := c.Request.Context()
	var request openai.StoreSearch
	if err := readJSON(c, maxJSON, &request); err != nil {
		return nil, err
	}
	queries, err := storeQueries(request)
	if err != nil {
		return nil, err
	}
	if _, err := rag.ParseFilter(request.Filters, "/filters"); err != nil {
		return nil, err
	}
	rerank, threshold, err := ranking(request.RankingOptions)
	if err != nil {
		return nil, err
	}
	wanted := valueOr(request.MaxNumResults, usualStoreResults)
	if wanted < 1 || wanted > maxStoreResults {
		return nil, rag.Invalid("/max_num_results", "max_num_results must be a number from 1 to %d", maxStoreResults)
	}
	out := openai.StoreSearchPage{Object: "vector_store.search_results.page", SearchQuery: queries, Data: []openai.StoreSearchResult{}, Degraded: []string{}}
	for _, query := range queries {
		_, found, err := s.search(ctx, collection.Name, api.Search{Query: query, TopK: wanted, Candidates: storeCandidates, Rerank: &rerank, Filter: request.Filters})
		if err != nil {
			return nil, err
		}
		for _, h := range found.Hits {
			if result := openai.ResultOf(h); result.Score >= threshold {
				out.Data = append(out.Data, result)
			}
		}
		out.Degraded = append(out.Degraded, found.Degraded...)
	}
	if len(queries) > 1 {
		out.Data = merge(out.Data)
	}
	out.Data = out.Data[:min(wanted, len(out.Data))]
	slices.Sort(out.Degraded)
	out.Degraded = slices.Compact(out.Degraded)
	return out, nil
}

func storeQueries(request openai.StoreSearch) ([]string, error) {
	queries, err := oneOrMany(request.Query, "/query")
	if err != nil {
		return nil, err
	}
	if len(queries) == 0 || len(queries) > maxStoreQueries {
		return nil, rag.Invalid("/query", "query has %d questions; send 1 to %d", len(queries), maxStoreQueries)
	}
	for _, query := range queries {
		if n := len([]rune(query)); n == 0 || n > maxStoreQuery {
			return nil, rag.Invalid("/query", "a query has 1 to %d characters, and this one %d", maxStoreQuery, n)
		}
	}
	return queries, nil
}

// ranking reads ranking_options.
func ranking(options *openai.RankingOptions) (rerank bool, threshold float64, err error) {
	if options == nil {
		return true, 0, nil
	}
	threshold = valueOr(options.ScoreThreshold, 0)
	if threshold < 0 || threshold > 1 {
		return false, 0, rag.Invalid("/ranking_options/score_threshold", "score_threshold must be a number from 0 to 1")
	}
	return options.Ranker != "none", threshold, nil
}

// merge orders what several queries found by score, each passage once with its best.
func merge(results []openai.StoreSearchResult) []openai.StoreSearchResult {
	slices.SortStableFunc(results, func(a, b openai.StoreSearchResult) int { return cmp.Compare(b.Score, a.Score) })
	seen := map[rag.ChunkID]bool{}
	return slices.DeleteFunc(results, func(r openai.StoreSearchResult) bool {
		again := seen[r.ChunkID]
		seen[r.ChunkID] = true
		return again
	})
}
