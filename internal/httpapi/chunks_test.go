package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// shelf holds a document of so many chunks, whose ids are 100 and on.
type shelf int

func (s shelf) DocumentChunks(_ context.Context, _ rag.CollectionID, _ string, from, limit int) (rag.ChunkPage, error) {
	page := rag.ChunkPage{Version: 3, Total: int(s)}
	for i := from; i < min(from+limit, int(s)); i++ {
		page.Chunks = append(page.Chunks, rag.Chunk{ID: rag.ChunkID(100 + i), Ordinal: i, Text: fmt.Sprint(i)})
	}
	return page, nil
}

func (s shelf) ChunkOrdinal(_ context.Context, _ rag.CollectionID, _ string, id rag.ChunkID) (int, error) {
	if id < 100 || int(id) >= 100+int(s) {
		return 0, rag.NotFound("there is no chunk %d", id)
	}
	return int(id) - 100, nil
}

func TestChunksOfADocument(t *testing.T) {
	s := newServer(t, &world{})
	s.deps.Chunks = shelf(7)
	for query, test := range map[string]struct {
		status   int
		ordinals []int
		next     int
	}{
		"":                              {200, []int{0, 1, 2, 3, 4, 5, 6}, 0},
		"?limit=3":                      {200, []int{0, 1, 2}, 3},
		"?from=5&limit=3":               {200, []int{5, 6}, 0},
		"?from=9":                       {200, nil, 0},
		"?around=103":                   {200, []int{1, 2, 3, 4, 5}, 6},
		"?around=100&before=9&after=0":  {200, []int{0}, 1},
		"?around=106&before=1&after=50": {200, []int{5, 6}, 0},
		"?around=99":                    {404, nil, 0},
		"?around=103&before=51":         {400, nil, 0},
		"?limit=0":                      {400, nil, 0},
		"?colour=red":                   {400, nil, 0},
	} {
		answer := ask(s, "GET", "/api/v1/collections/c/documents/sub%2Fone/chunks"+query, "", nil)
		if answer.Code != test.status {
			t.Errorf("%s: %d %s", query, answer.Code, answer.Body)
			continue
		}
		if test.status != 200 {
			problem(t, answer)
			continue
		}
		var got api.Chunks
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		var ordinals []int
		for _, c := range got.Chunks {
			ordinals = append(ordinals, c.Ordinal)
		}
		if diff := cmp.Diff(test.ordinals, ordinals); diff != "" || got.Next != test.next || got.Total != 7 || got.Version != 3 || got.DocumentID != "sub/one" {
			t.Errorf("%s: %+v %s", query, got, diff)
		}
	}
}
