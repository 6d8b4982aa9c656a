package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// settleTimeout bounds how long everything may take to come to rest once nothing is killed any more.
	settleTimeout = 4 * time.Minute
	// clientTimeout is how long a client waits for an answer.
	clientTimeout = 30 * time.Second
	// searchTime is a search's deadline.
	searchTime = 2 * time.Second
)

// write uploads, replaces and deletes this writer's documents until ctx ends.
func (c *chaos) write(ctx context.Context, writer int, random *rand.Rand) {
	for ctx.Err() == nil {
		// Few documents get most of the changes, so that replaces meet each other.
		id := random.IntN(chaosDocuments / chaosWriters)
		if random.IntN(2) == 0 {
			id %= 20
		}
		id = id*chaosWriters + writer
		path := fmt.Sprintf("/api/v1/collections/chaos/documents/d%d", id)
		wait, allowed := "", time.Duration(0)
		if random.IntN(3) == 0 {
			wait, allowed = "?wait="+c.wait.String(), c.wait
		}
		if random.IntN(5) == 0 {
			c.journal.beginDelete(id)
			status, _ := c.timed(ctx, allowed, "DELETE", path+wait, nil)
			if status == http.StatusOK || status == http.StatusAccepted || status == http.StatusNotFound {
				c.journal.deleted(id)
			}
			c.count(status)
			continue
		}
		revision := c.journal.beginUpload(id)
		status, answer := c.timed(ctx, allowed, "PUT", path+wait, revisionOf(id, revision))
		c.count(status)
		if status == http.StatusOK || status == http.StatusAccepted {
			document := answer["documents"].([]any)[0].(object)
			c.journal.uploaded(id, revision, status == http.StatusOK && document["status"] == "ready")
		}
	}
}

func revisionOf(id, revision int) object {
	var chunks []object
	for part := range chaosParts {
		chunks = append(chunks, object{"text": fmt.Sprintf("document %d revision %d part %d", id, revision, part)})
	}
	return object{"chunks": chunks, "metadata": object{"doc": id}}
}

// read searches for single documents until ctx ends.
func (c *chaos) read(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		id := random.IntN(20) * chaosWriters
		id += random.IntN(chaosWriters)
		before := c.journal.look(id)
		status, answer := c.timed(ctx, searchTime, "POST", "/api/v1/collections/chaos/search", searchFor(id))
		if status != http.StatusOK {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		c.journal.saw(id, before, revisionsOf(answer))
	}
}

func searchFor(id int) object {
	return object{
		"query": fmt.Sprintf("document %d", id), "rerank": false, "top_k": 10, "filter": object{"type": "eq", "key": "doc", "value": id},
		"deadline_ms": searchTime.Milliseconds(),
	}
}

func revisionsOf(answer object) []int {
	revisions := []int{}
	for _, h := range answer["hits"].([]any) {
		var id, revision, part int
		if _, err := fmt.Sscanf(h.(object)["text"].(string), "document %d revision %d part %d", &id, &revision, &part); err != nil {
			revision = -1
		}
		revisions = append(revisions, revision)
	}
	return revisions
}

// timed sends a request that has a deadline, and notes by how much it outlived that.
func (c *chaos) timed(ctx context.Context, allowed time.Duration, method, path string, body any) (int, object) {
	began := time.Now()
	status, answer := c.send(ctx, method, path, body)
	what := fmt.Sprintf("%s of %s", method, allowed)
	if over := time.Since(began) - allowed; ctx.Err() == nil {
		c.mu.Lock()
		c.slowest[what] = max(over, c.slowest[what])
		c.mu.Unlock()
	}
	return status, answer
}

// send gives the status and the answer of a request, or 0 where none came.
func (c *chaos) send(ctx context.Context, method, path string, body any) (int, object) {
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	return c.sendBody(ctx, method, path, "application/json", raw)
}

func (c *chaos) sendBody(ctx context.Context, method, path, mediaType string, body []byte) (int, object) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	request.Header.Set("Content-Type", mediaType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	var answer object
	if err != nil || json.Unmarshal(raw, &answer) != nil {
		return 0, nil
	}
	return response.StatusCode, answer
}

func (c *chaos) count(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if status == 0 || status >= 500 {
		c.unanswered++
		time.Sleep(10 * time.Millisecond)
	} else {
		c.acknowledged++
	}
}

// must sends what must succeed once all parts are back.
func (c *chaos) must(want int, method, path string, body any) object {
	c.t.Helper()
	for deadline := time.Now().Add(settleTimeout); ; {
		status, answer := c.send(c.t.Context(), method, path, body)
		if status == want {
			return answer
		}
		if status > 0 && status < 500 || time.Now().After(deadline) {
			c.t.Fatalf("%s %s: %d %v\n%s", method, path, status, answer, c.log())
		}
		time.Sleep(50 * time.Millisecond)
	}
}
