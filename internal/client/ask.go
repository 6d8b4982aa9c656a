package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/redkite/redkite/internal/api"
)

// Ask gets a cited answer when it is whole.
func (c *Client) Ask(ctx context.Context, collection string, q api.Ask) (api.Answer, error) {
	var out api.Answer
	err := c.call(ctx, http.MethodPost, collectionPath(collection, "ask"), q, &out)
	return out, err
}

// AnswerEvent is one of a streamed answer: one member is not nil.
type AnswerEvent struct {
	Passages *api.Passages
	Delta    *api.Delta
	Citation *api.Citation
	Done     *api.Done // the last
}

// AskStream gets a cited answer as it comes. An answer that ends before its time is an error; what was seen of it stands.
func (c *Client) AskStream(ctx context.Context, collection string, q api.Ask, see func(AnswerEvent) error) error {
	raw, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	path, done := collectionPath(collection, "ask"), false
	err = again(ctx, func() error {
		return c.stream(ctx, http.MethodPost, path, bytes.NewReader(raw), func(name string, data []byte) error {
			event, err := answerEvent(name, data)
			if err != nil || event == (AnswerEvent{}) {
				return err
			}
			done = done || event.Done != nil
			return see(event)
		})
	})
	if err == nil && !done {
		err = fmt.Errorf("the answer of %s broke off: %w", path, io.ErrUnexpectedEOF)
	}
	return err
}

// answerEvent reads an event; one that is not known is empty.
func answerEvent(name string, data []byte) (e AnswerEvent, err error) {
	read := func(into any) {
		if err = json.Unmarshal(data, into); err != nil {
			err = fmt.Errorf("read event %s: %w", name, err)
		}
	}
	switch name {
	case "passages":
		read(&e.Passages)
	case "delta":
		read(&e.Delta)
	case "citation":
		read(&e.Citation)
	case "done":
		read(&e.Done)
	case "error":
		failed := &Error{}
		if read(&failed.Problem); err == nil {
			failed.RetryAfter = 0 // the answer has begun: it is not asked for again by itself
			err = failed
		}
	}
	return e, err
}
