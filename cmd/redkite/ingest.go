package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/rag"
)

// ingestCommand uploads files and folders.
type ingestCommand struct {
	Paths       []string `arg:"" help:"Files and folders; hidden files are left out." type:"existingpath"`
	Collection  string   `short:"c" required:"" help:"Collection; it is made if there is none."`
	Include     string   `help:"Only files whose name fits this pattern." placeholder:"*.pdf"`
	Jobs        int      `default:"4" help:"Files uploaded at the same time."`
	OnDuplicate string   `enum:"replace,skip,error" default:"replace" help:"What to do with a document that exists: replace, skip or error."`
	DuplicateBy string   `enum:"id,content" default:"id" help:"What makes a document one that exists: its id (its path), or its bytes, under whatever id."`
	Wait        bool     `default:"true" negatable:"" help:"Wait until all is searchable."`
	connection  `embed:""`
}

// ingested sums up a run.
type ingested struct {
	Uploaded  int             `json:"uploaded"`
	Unchanged int             `json:"unchanged"`
	Ready     int             `json:"ready"`
	Failed    []ingestFailure `json:"failed"`
	Seconds   float64         `json:"seconds"`
}

type ingestFailure struct {
	Document string `json:"document"`
	Reason   string `json:"reason"`
}

// source is a file to upload: its document id is its path below the folder that was named, the same in every run.
type source struct{ path, id string }

// Run uploads, waits, and sums up. The server knows by their hash which files are unchanged, so a broken run is
// repeated at no cost.
func (c ingestCommand) Run(ctx context.Context, o output) error {
	began := time.Now()
	sources, err := c.sources()
	if err != nil {
		return err
	}
	if len(sources) == 0 {
		return fmt.Errorf("no files found in %s", strings.Join(c.Paths, ", "))
	}
	if err := distinct(sources); err != nil {
		return err
	}
	server := c.client()
	if _, err := server.Collection(ctx, c.Collection); errors.Is(err, rag.ErrNotFound) {
		_, err = server.CreateCollection(ctx, api.NewCollection{Name: c.Collection})
		if err != nil && !errors.Is(err, rag.ErrConflict) {
			return err
		}
	} else if err != nil {
		return err
	}
	run := &ingestRun{server: server, collection: c.Collection, duplicates: client.Duplicates{On: c.OnDuplicate, By: c.DuplicateBy}, wait: c.Wait}
	run.progress = newProgress(o, len(sources), "files")
	run.all(ctx, sources, max(1, c.Jobs))
	run.progress.finish()
	if err := ctx.Err(); err != nil {
		return err
	}
	run.sum.Seconds = time.Since(began).Seconds()
	return c.report(o, run.sum)
}

func (c ingestCommand) report(o output, sum ingested) error {
	if sum.Failed == nil {
		sum.Failed = []ingestFailure{}
	}
	if o.json {
		if err := printJSON(o, sum); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(o.out, "%d uploaded, %d unchanged, %d searchable, %d failed, %.1f s\n", sum.Uploaded, sum.Unchanged, sum.Ready, len(sum.Failed), sum.Seconds)
		for _, f := range sum.Failed {
			fmt.Fprintf(o.out, "  %s: %s\n", f.Document, f.Reason)
		}
	}
	if len(sum.Failed) > 0 {
		return exitError(1)
	}
	return nil
}

// sources lists the files to upload.
func (c ingestCommand) sources() ([]source, error) {
	var out []source
	for _, root := range c.Paths {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			hidden := path != root && strings.HasPrefix(entry.Name(), ".")
			if hidden && entry.IsDir() {
				return filepath.SkipDir
			}
			if hidden || !entry.Type().IsRegular() {
				return nil
			}
			if c.Include != "" {
				if fits, err := filepath.Match(c.Include, entry.Name()); err != nil || !fits {
					return err
				}
			}
			id, err := filepath.Rel(root, path)
			if id == "." {
				id = entry.Name()
			}
			out = append(out, source{path: path, id: filepath.ToSlash(id)})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list files: %w", err)
		}
	}
	return out, nil
}

// distinct refuses two files with one id: the second would replace the first.
func distinct(sources []source) error {
	paths := make(map[string]string, len(sources))
	for _, s := range sources {
		if first, taken := paths[s.id]; taken && filepath.Clean(first) != filepath.Clean(s.path) {
			return fmt.Errorf("%s and %s would both become document %q and replace each other; ingest the folder above them, or each into its own collection", first, s.path, s.id)
		}
		paths[s.id] = s.path
	}
	return nil
}

// ingestRun is one run in progress.
type ingestRun struct {
	server     *client.Client
	collection string
	duplicates client.Duplicates
	wait       bool
	progress   *progress

	mu  sync.Mutex
	sum ingested
}

// all uploads sources, several at a time.
func (r *ingestRun) all(ctx context.Context, sources []source, jobs int) {
	queue := make(chan source)
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for s := range queue {
				r.one(ctx, s)
				r.progress.add(1, s.id)
			}
		})
	}
	for _, s := range sources {
		select {
		case queue <- s:
		case <-ctx.Done():
		}
	}
	close(queue)
	workers.Wait()
}

// one uploads a file and waits for its job.
func (r *ingestRun) one(ctx context.Context, s source) {
	uploaded, err := r.upload(ctx, s)
	if err != nil {
		r.failed(s.id, err.Error())
		return
	}
	d := uploaded.Documents[0]
	r.count(func(sum *ingested) {
		if d.Unchanged {
			sum.Unchanged++
		} else {
			sum.Uploaded++
		}
	})
	if !r.wait {
		return
	}
	for d.JobID != 0 && ctx.Err() == nil {
		job, err := r.server.Job(ctx, d.JobID, 30*time.Second)
		if err != nil {
			r.failed(s.id, err.Error())
			return
		}
		if !job.State.Final() {
			continue
		}
		if job.State != rag.JobSucceeded {
			reason := string(job.State)
			if job.Error != nil {
				reason = job.Error.Message
			}
			r.failed(s.id, reason)
			return
		}
		break
	}
	r.count(func(sum *ingested) { sum.Ready++ })
}

func (r *ingestRun) upload(ctx context.Context, s source) (api.Uploaded, error) {
	file, err := os.Open(s.path)
	if err != nil {
		return api.Uploaded{}, err
	}
	defer file.Close()
	uploaded, err := r.server.UploadFile(ctx, r.collection, s.id, filepath.Base(s.path), file, r.duplicates)
	if err == nil && len(uploaded.Documents) == 0 {
		err = errors.New("the server took no document")
	}
	return uploaded, err
}

func (r *ingestRun) failed(id, reason string) {
	r.count(func(sum *ingested) { sum.Failed = append(sum.Failed, ingestFailure{Document: id, Reason: reason}) })
}

func (r *ingestRun) count(change func(*ingested)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.sum)
}
