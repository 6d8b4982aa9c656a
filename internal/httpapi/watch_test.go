package httpapi

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// ward counts how often its jobs are read; a job's Done tells the time of the read.
type ward struct {
	shop
	mu    sync.Mutex
	reads map[string]int // by tenant
	most  int            // ids of one read
	err   error
	began time.Time
}

func (w *ward) JobPage(_ context.Context, tenant string, q JobQuery) ([]rag.Job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads[tenant]++
	w.most = max(w.most, len(q.IDs))
	var out []rag.Job
	for _, id := range q.IDs {
		if id != 4711 {
			out = append(out, rag.Job{ID: id, Name: tenant, Done: int(time.Since(w.began).Milliseconds())})
		}
	}
	return out, w.err
}

// TestStreamsShareTheirReads has 200 streams of two tenants follow 100 jobs each for ten seconds: the catalog is read
// twice a second for each tenant, and nobody sees what was before its last look.
func TestStreamsShareTheirReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const poll = 500 * time.Millisecond
		jobs := &ward{reads: map[string]int{}, began: time.Now()}
		w := newWatch(jobs)
		var streams sync.WaitGroup
		for i := range 200 {
			tenant := fmt.Sprint("t", i%2)
			streams.Go(func() {
				time.Sleep(time.Duration(i) * 2 * time.Millisecond) // they do not tick together
				for range 20 {
					looked := int(time.Since(jobs.began).Milliseconds())
					time.Sleep(poll)
					j, err := w.job(t.Context(), tenant, rag.JobID(i), poll)
					if err != nil || j.ID != rag.JobID(i) || j.Name != tenant || j.Done <= looked {
						t.Errorf("stream %d looked at %d ms, now sees %+v, %v", i, looked, j, err)
					}
				}
			})
		}
		streams.Wait()
		for tenant, reads := range jobs.reads {
			if reads > 100+25 { // each job is new once; then twice a second
				t.Errorf("%s was read for %d times", tenant, reads)
			}
		}
		if jobs.most != 100 || len(jobs.reads) != 2 {
			t.Errorf("at most %d jobs a read, tenants %v", jobs.most, jobs.reads)
		}
		time.Sleep(time.Minute)
		if _, err := w.job(t.Context(), "t0", 4711, poll); !errors.Is(err, rag.ErrNotFound) {
			t.Errorf("a job that is gone: %v", err)
		}
		if n := len(w.tenants["t0"].asked); n != 1 || len(w.tenants) != 1 {
			t.Errorf("%d jobs of %d tenants are still followed", n, len(w.tenants))
		}
		jobs.err = rag.ErrUnavailable
		if _, err := w.job(t.Context(), "t0", 1, poll); !errors.Is(err, rag.ErrUnavailable) {
			t.Errorf("with the catalog away: %v", err)
		}
	})
}
