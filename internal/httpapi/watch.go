package httpapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// watch reads the jobs that event streams follow: one read a tenant and poll for all its streams, however many. Whoever
// finds the last read too old makes the next.
type watch struct {
	jobs    Jobs
	turn    chan struct{} // held by who looks at the rest
	tenants map[string]*sights
}

// sights are one tenant's jobs as they were read last.
type sights struct {
	read  time.Time               // when
	asked map[rag.JobID]time.Time // what is followed, and when it was asked for last
	found map[rag.JobID]rag.Job
}

// forgotten is after how many polls a job that nobody asks for is not followed any more.
const forgotten = 4

func newWatch(jobs Jobs) *watch {
	return &watch{jobs: jobs, turn: make(chan struct{}, 1), tenants: map[string]*sights{}}
}

// job gives one of the tenant's jobs as it was at most nine tenths of a poll ago: for a stream that asks once a poll,
// after it had asked before.
func (w *watch) job(ctx context.Context, tenant string, id rag.JobID, poll time.Duration) (rag.Job, error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return rag.Job{}, ctx.Err()
	}
	now := time.Now()
	s, ok := w.tenants[tenant]
	if !ok {
		s = &sights{asked: map[rag.JobID]time.Time{}}
		w.tenants[tenant] = s
	}
	s.asked[id] = now
	job, ok := s.found[id]
	if ok && now.Sub(s.read) < poll*9/10 {
		return job, nil
	}
	for name, t := range w.tenants {
		maps.DeleteFunc(t.asked, func(_ rag.JobID, at time.Time) bool { return now.Sub(at) > forgotten*poll })
		if len(t.asked) == 0 {
			delete(w.tenants, name)
		}
	}
	ids := slices.Sorted(maps.Keys(s.asked))
	page, err := w.jobs.JobPage(ctx, tenant, JobQuery{IDs: ids, Limit: len(ids)})
	if err != nil {
		return rag.Job{}, fmt.Errorf("read %d jobs that are followed: %w", len(ids), err)
	}
	s.read, s.found = now, make(map[rag.JobID]rag.Job, len(page))
	for _, j := range page {
		s.found[j.ID] = j
	}
	if job, ok = s.found[id]; !ok {
		return rag.Job{}, rag.NotFound("there is no job %d any more", id)
	}
	return job, nil
}
