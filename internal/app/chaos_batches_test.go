package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// batchRecords is how many documents a batch of the chaos test has: more than are written in one transaction.
const batchRecords = 110

// batchLedger is what the chaos test's clients know of their batches. Each has documents of its own that are not changed
// again: batch 7's are b7-0, b7-1 and so on.
type batchLedger struct {
	mu      sync.Mutex
	begun   int
	answers map[int]bool // by batch: whether it was acknowledged; those without an answer may be there in part
}

func (l *batchLedger) begin() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun++
	if l.answers == nil {
		l.answers = map[int]bool{}
	}
	l.answers[l.begun] = false
	return l.begun
}

func (l *batchLedger) acknowledged(batch int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[batch] = true
}

// blame compares the batches with the documents that are there, how many of each batch, and forgets them.
func (l *batchLedger) blame(there map[int]int, journal *journal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for batch, whole := range l.answers {
		if whole && there[batch] != batchRecords {
			journal.blame("batch %d was acknowledged, and %d of its %d documents are there", batch, there[batch], batchRecords)
		}
	}
	for batch, n := range there {
		if _, known := l.answers[batch]; !known {
			journal.blame("%d documents of batch %d, which is over and deleted", n, batch)
		}
	}
	clear(l.answers)
}

// upload sends one batch in one request.
func (c *chaos) upload(ctx context.Context) {
	batch := c.batches.begin()
	var lines strings.Builder
	for i := range batchRecords {
		fmt.Fprintf(&lines, "{\"id\":\"b%d-%d\",\"text\":\"batch %d document %d\",\"batch\":%d}\n", batch, i, batch, i, batch)
	}
	status, _ := c.sendBody(ctx, "POST", "/api/v1/collections/chaos/batches?record_text=text&record_id=id&record_metadata=batch", "application/x-ndjson", []byte(lines.String()))
	c.count(status)
	if status == http.StatusOK || status == http.StatusAccepted {
		c.batches.acknowledged(batch)
	}
}

// settleBatches compares the batches' documents, those there are as the list of documents has them, with what was
// acknowledged and with what a search finds, and deletes them.
func (c *chaos) settleBatches(there map[int]int) {
	c.t.Helper()
	c.batches.blame(there, c.journal)
	for batch, n := range there {
		filter := object{"type": "eq", "key": "batch", "value": batch}
		answer := c.must(http.StatusOK, "POST", "/api/v1/collections/chaos/search", object{
			"query": fmt.Sprintf("batch %d", batch), "rerank": false, "top_k": 100, "filter": filter, "deadline_ms": searchTime.Milliseconds(),
		})
		if hits := len(answer["hits"].([]any)); hits != min(n, 100) {
			c.journal.blame("batch %d has %d documents, and a search finds %d of at most 100", batch, n, hits)
		}
	}
	if len(there) > 0 {
		c.must(http.StatusAccepted, "POST", "/api/v1/collections/chaos/documents:delete", object{"filter": object{"type": "exists", "key": "batch"}})
	}
}

// TestBatchLedgerBlames plants each kind of fault.
func TestBatchLedgerBlames(t *testing.T) {
	for name, test := range map[string]struct {
		acknowledged, settledBefore bool
		there                       map[int]int
		want                        int
	}{
		"whole":                      {true, false, map[int]int{1: batchRecords}, 0},
		"no answer, nothing there":   {false, false, nil, 0},
		"no answer, a part is there": {false, false, map[int]int{1: 100}, 0},
		"acknowledged and torn":      {true, false, map[int]int{1: 100}, 1},
		"acknowledged and gone":      {true, false, nil, 1},
		"came back":                  {true, true, map[int]int{1: 3}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var l batchLedger
			if batch := l.begin(); test.acknowledged {
				l.acknowledged(batch)
			}
			j := newJournal()
			if test.settledBefore {
				l.blame(map[int]int{1: batchRecords}, j)
			}
			if l.blame(test.there, j); len(j.violations) != test.want {
				t.Errorf("%v, want %d", j.violations, test.want)
			}
		})
	}
}
