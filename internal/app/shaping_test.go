package app

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// plain gives the body of an answer that is no JSON.
func plain(s *server, path string) string {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.base+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d, %v", path, response.StatusCode, err)
	}
	return string(raw)
}

// TestSearchesAreShaped uses each stage once on real encoders, catalog and Milvus.
func TestSearchesAreShaped(t *testing.T) {
	set := settings(t, t.TempDir())
	set.KeptEmbeddingBytes, set.KeptScores = 1<<20, 1000
	s := start(t, set)
	const at = "/api/v1/collections/birds"
	s.json(201, "POST", "/api/v1/collections", object{
		"name": "birds", "chunking": object{"strategy": "structure", "max_tokens": 32, "overlap": 0, "min_tokens": 0}, "retrieval": object{"candidates": 40},
	})
	kite := "The red kite is a bird of prey with a forked tail. It soars over farmland and eats carrion."
	long := "# Red kite\n\n" + kite + "\n\nIt nests high in old trees in spring, often in the same nest as in the years before, which it mends with twigs and wool.\n\nIn winter many red kites sleep together in woods near villages, and leave them at dawn to look for food.\n"
	s.json(200, "POST", at+"/documents?wait=60s", uploads(
		object{"id": "kite", "title": "Red kite", "media_type": "text/markdown", "text": long},
		object{"id": "copy", "title": "Red kite", "text": kite},
		object{"id": "penguin", "title": "Emperor penguin", "text": "Emperor penguins breed during the Antarctic winter and huddle together against the cold."},
		object{"id": "robin", "title": "Robin", "text": "The robin sings all year round, also at night near street lamps."},
		object{"id": "owl", "title": "Barn owl", "text": "The barn owl hunts mice at night by ear and nests in church towers."},
	))
	search := func(query object) object { t.Helper(); return s.json(200, "POST", at+"/search", query) }
	list := func(o object, name string) []any { found, _ := o[name].([]any); return found }

	t.Run("relevance is calibrated, and falls with the hits", func(t *testing.T) {
		answer := search(object{"query": "Which bird has a forked tail?", "top_k": 5})
		before := 1.0
		for _, h := range list(answer, "hits") {
			r := h.(object)["scores"].(object)["relevance"].(float64)
			if r > before {
				t.Errorf("relevance %v after %v", r, before)
			}
			before = r
		}
		if answer["relevance_calibrated"] != true || before > 0.3 {
			t.Errorf("calibrated %v, the last hit's relevance %v", answer["relevance_calibrated"], before)
		}
	})
	t.Run("duplicates and explain", func(t *testing.T) {
		answer := search(object{"query": "Which bird has a forked tail?", "top_k": 10, "duplicates": "near", "explain": true})
		documents := names(s.hits("birds", object{"query": "Which bird has a forked tail?", "top_k": 10, "duplicates": "near"}))
		if slices.Contains(documents, "copy") && slices.Contains(documents[:2], "kite") {
			t.Errorf("both copies are there: %v", documents)
		}
		dropped := 0
		for _, c := range list(answer, "explain") {
			if c.(object)["outcome"] == "duplicate" && c.(object)["of"].(float64) > 0 {
				dropped++
			}
		}
		if dropped != 1 {
			t.Errorf("%d duplicates in %v", dropped, answer["explain"])
		}
	})
	t.Run("neighbours are sliced from the text", func(t *testing.T) {
		answer := search(object{"query": "Where does the red kite nest in spring?", "top_k": 1, "neighbours": 2})
		hit := list(answer, "hits")[0].(object)
		parent, ok := hit["parent"].(object)
		if !ok || hit["document_id"] != "kite" {
			t.Fatalf("got %v", hit)
		}
		span := parent["span"].(object)
		text := plain(s, fmt.Sprintf("%s/documents/kite/text?start=%.0f&end=%.0f", at, span["start"], span["end"]))
		if text != parent["text"] || !strings.Contains(text, "forked tail") || !strings.Contains(text, "dawn") || len(list(parent, "chunk_ids")) < 3 {
			t.Errorf("parent %v is not the text %q", parent, text)
		}
	})
	t.Run("a context shows neighbours", func(t *testing.T) {
		answer := s.json(200, "POST", at+"/context", object{"query": "Where does the red kite nest in spring?", "top_k": 1, "neighbours": 2})
		if text := answer["text"].(string); !strings.Contains(text, "forked tail") || !strings.Contains(text, "dawn") || len(list(answer, "sources")) != 1 {
			t.Errorf("got %q", text)
		}
	})
	t.Run("diversity, groups and highlights", func(t *testing.T) {
		if answer := search(object{"query": "red kite", "top_k": 4, "mmr": 0.3}); len(list(answer, "hits")) != 4 || len(list(answer, "degraded")) > 0 {
			t.Errorf("mmr: %v", answer["degraded"])
		}
		answer := search(object{"query": "Which bird has a forked tail?", "top_k": 2, "group_by": "document", "highlight": 1})
		groups := list(answer, "groups")
		if len(groups) != 2 || len(list(answer, "hits")) != 0 || len(list(answer, "degraded")) > 0 {
			t.Fatalf("got %v", answer)
		}
		best := list(list(groups[0].(object), "hits")[0].(object), "highlights")
		if len(best) != 1 || !strings.Contains(best[0].(object)["text"].(string), "forked tail") {
			t.Errorf("highlights %v", best)
		}
	})
	t.Run("pages outlive an upload", func(t *testing.T) {
		query := object{"query": "Which bird has a forked tail?", "top_k": 3, "paginate": true}
		whole := search(object{"query": "Which bird has a forked tail?", "top_k": 20})
		page := search(query)
		s.json(200, "POST", at+"/documents?wait=60s", uploads(object{"id": "newer", "text": "The bird that has a forked tail is the red kite."}))
		var got []any
		for n := 0; ; n++ {
			for _, h := range list(page, "hits") {
				got = append(got, h.(object)["chunk_id"])
			}
			if page["next_cursor"] == nil || n > 10 {
				break
			}
			query["cursor"] = page["next_cursor"]
			page = search(query)
		}
		var want []any
		for _, h := range list(whole, "hits") {
			want = append(want, h.(object)["chunk_id"])
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages gave %v, want %v", got, want)
		}
		query["query"] = "another"
		s.json(400, "POST", at+"/search", query)
	})
	t.Run("conversation and several queries", func(t *testing.T) {
		answer := search(object{"messages": []object{{"role": "user", "content": "Tell me about the red kite"}, {"role": "assistant", "content": "A bird of prey."}, {"role": "user", "content": "Where does it nest?"}}})
		if answer["query_used"] != "Where does it nest?\nTell me about the red kite" || list(answer, "hits")[0].(object)["document_id"] != "kite" {
			t.Errorf("searched %v, first %v", answer["query_used"], list(answer, "hits")[0])
		}
		found := names(s.hits("birds", object{"queries": []string{"What do penguins do in winter?", "Which owl hunts mice?"}, "top_k": 3}))
		if !slices.Contains(found, "penguin") || !slices.Contains(found, "owl") {
			t.Errorf("got %v", found)
		}
		s.json(400, "POST", at+"/search", object{"query": "q", "hyde": true})
	})
	t.Run("odd queries", func(t *testing.T) {
		for _, text := range []string{"🪁", "איפה החתול ישן?", "a\x00b", strings.Repeat("forked tail ", 8000)} {
			answer := search(object{"query": text, "deadline_ms": 20000})
			if clipped := slices.Contains(list(answer, "degraded"), any("query_clipped")); clipped != (len(text) > 1000) || len(list(answer, "hits")) == 0 {
				t.Errorf("%.20q: degraded %v", text, answer["degraded"])
			}
		}
	})
	t.Run("metrics count what was kept", func(t *testing.T) {
		metrics := plain(s, "/metrics")
		for _, cache := range []string{"embeddings", "scores"} {
			if strings.Contains(metrics, fmt.Sprintf("redkite_cache_hits_total{cache=%q} 0\n", cache)) || !strings.Contains(metrics, fmt.Sprintf("redkite_cache_hits_total{cache=%q}", cache)) {
				t.Errorf("nothing of the %s was kept", cache)
			}
		}
	})
}
