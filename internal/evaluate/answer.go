package evaluate

import (
	"context"
	"encoding/json"
	"errors"
)

// Searcher answers search requests, such as a server's collection. One that it refuses as malformed is an ErrRefused.
type Searcher interface {
	Search(ctx context.Context, r Request) (Answer, error)
}

// ErrRefused is a request that the server does not take.
var ErrRefused = errors.New("the server refuses the request")

// ErrLate is a request that had no answer within its deadline: nobody is served, so its measures are 0.
var ErrLate = errors.New("no answer within the deadline")

// Answer is what is read of a search's answer.
type Answer struct {
	Hits     []Hit    `json:"hits"`
	Reranked int      `json:"reranked"`
	Ended    string   `json:"rerank_ended"`
	Degraded []string `json:"degraded"`
	Timings  Numbers  `json:"timings_ms"` // by stage, as the server tells them
	Took     float64  `json:"-"`          // milliseconds, as the client saw it
}

// Hit is a chunk found.
type Hit struct {
	DocumentID string  `json:"document_id"`
	ChunkID    int64   `json:"chunk_id"`
	Title      string  `json:"title"`
	Text       string  `json:"text"`
	Scores     Numbers `json:"scores"`
}

// Numbers are the members of a JSON object that are numbers.
type Numbers map[string]float64

// UnmarshalJSON passes over members that are no numbers.
func (n *Numbers) UnmarshalJSON(raw []byte) error {
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	*n = Numbers{}
	for name, value := range all {
		if x, ok := value.(float64); ok {
			(*n)[name] = x
		}
	}
	return nil
}
