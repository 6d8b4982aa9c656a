package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/rag"
)

// batchFiles is how many files a server takes as one batch.
const batchFiles = 10_000

// batches splits sources into what a server takes at once: an archive, and a file of records, is a batch of its own.
func batches(sources []source) [][]source {
	var out [][]source
	var files []source
	for _, s := range sources {
		if s.archive || s.records {
			out = append(out, []source{s})
		} else {
			files = append(files, s)
		}
	}
	return slices.AppendSeq(out, slices.Chunk(files, batchFiles))
}

// ingestRun is one run in progress.
type ingestRun struct {
	server     *client.Client
	collection string
	asked      client.BatchUpload // what holds for all batches
	wait       bool
	o          output
	sum        ingested
}

// batch uploads sources as one batch, waits for it and counts what became of them.
func (r *ingestRun) batch(ctx context.Context, sources []source) error {
	batch, err := r.upload(ctx, sources)
	if err != nil {
		return err
	}
	r.sum.Batches = append(r.sum.Batches, batch.ID)
	if r.wait {
		if batch, err = follow(ctx, r.server, r.o, batch); err != nil {
			return err
		}
	}
	n := batch.Counts
	r.sum.Unchanged += n.Unchanged
	r.sum.Uploaded += batch.Total - n.Unchanged - n.Refused
	r.sum.Ready += n.Succeeded
	if r.wait {
		r.sum.Ready += n.Unchanged
	}
	if batch.Error != nil {
		r.failed(fmt.Sprintf("batch %d", batch.ID), batch.Error.Message)
	}
	return r.failures(ctx, batch)
}

// upload sends sources, with a bar for all and one for the file that is being sent.
func (r *ingestRun) upload(ctx context.Context, sources []source) (api.Batch, error) {
	sizes := make(map[string]int64, len(sources))
	u := r.asked
	for _, s := range sources {
		if stat, err := os.Stat(s.path); err == nil {
			sizes[s.id] = stat.Size()
		}
		u.Files = append(u.Files, client.BatchFile{Path: s.id, Archive: s.archive, Records: s.records, Open: func() (io.ReadCloser, error) { return os.Open(s.path) }})
	}
	bar := newProgress(r.o, len(sources), "files sent")
	defer bar.finish()
	sent, bytes, current := 0, int64(0), ""
	u.Sent = func(file client.BatchFile, n int64, done bool) {
		if file.Path != current {
			bar.endPart(current)
			bytes, current = 0, file.Path
			if file.Path == u.Files[0].Path {
				sent = 0 // it begins, perhaps anew
			}
		}
		if bytes += n; !done {
			bar.part(file.Path, bytes, sizes[file.Path])
			return
		}
		bar.endPart(file.Path)
		sent++
		bar.set(sent, len(sources))
	}
	unreadable := map[string]error{}
	u.Unreadable = func(file client.BatchFile, err error) { unreadable[file.Path] = err }
	batch, err := r.server.UploadBatch(ctx, r.collection, u)
	for path, err := range unreadable {
		r.failed(path, err.Error())
	}
	return batch, err
}

// failures lists what was refused or failed.
func (r *ingestRun) failures(ctx context.Context, batch api.Batch) error {
	for after := 0; batch.Counts.Refused > 0; {
		page, err := r.server.Batch(ctx, batch.ID, 0, after)
		if err != nil {
			return err
		}
		for _, e := range page.Refused {
			r.failed(e.File, e.Detail)
		}
		if after = page.RefusedNext; after == 0 {
			break
		}
	}
	for state, n := range map[rag.JobState]int{rag.JobFailed: batch.Counts.Failed, rag.JobCanceled: batch.Counts.Canceled} {
		for before := rag.JobID(0); n > 0; {
			page, err := r.server.Jobs(ctx, client.JobSelection{Batch: batch.ID, State: state, Before: before, Limit: 1000})
			if err != nil {
				return err
			}
			for _, j := range page.Jobs {
				reason := string(j.State)
				if j.Error != nil {
					reason = j.Error.Message
				}
				r.failed(j.DocumentID, reason)
			}
			if before = page.Next; before == 0 {
				break
			}
		}
	}
	return nil
}

func (r *ingestRun) failed(id, reason string) {
	r.sum.Failed = append(r.sum.Failed, ingestFailure{Document: id, Reason: reason})
}

// runningEvery is how often the running files of a batch are looked up.
const runningEvery = 500 * time.Millisecond

// runningShown is how many of them have bars.
const runningShown = 8

// follow shows a batch until it is over: a bar for it, and one for each file in work.
func follow(ctx context.Context, server *client.Client, o output, batch api.Batch) (api.Batch, error) {
	if batch.State.Final() {
		return batch, nil
	}
	bar := newProgress(o, batch.Total, "files done")
	defer bar.finish()
	looking, stop := context.WithCancel(ctx)
	looked := make(chan struct{})
	var over atomic.Bool
	go func() {
		defer close(looked)
		ticker := time.NewTicker(runningEvery)
		defer ticker.Stop()
		for bar.bars != nil && !over.Load() {
			showRunning(looking, server, bar, batch.ID)
			select {
			case <-looking.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	last, err := server.FollowBatch(ctx, batch.ID, func(b api.Batch) {
		bar.set(b.Done, b.Total)
		over.Store(b.State.Final())
	})
	stop()
	<-looked
	return last, err
}

// showRunning has a bar for each file in work. What can't be asked now is asked again soon.
func showRunning(ctx context.Context, server *client.Client, bar *progress, id rag.BatchID) {
	page, err := server.Jobs(ctx, client.JobSelection{Batch: id, State: rag.JobRunning, Limit: runningShown})
	if err != nil {
		return
	}
	running := map[string]bool{}
	for _, j := range page.Jobs {
		running[j.DocumentID] = true
		bar.part(j.DocumentID, int64(j.Done), int64(j.Total))
	}
	for _, name := range bar.shown() {
		if !running[name] {
			bar.endPart(name)
		}
	}
}
