package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/rag"
)

// ingestCommand uploads files and folders.
type ingestCommand struct {
	Paths       []string `arg:"" help:"Files, folders and archives (ZIP, TAR, TAR with gzip); hidden files are left out." type:"existingpath"`
	Collection  string   `short:"c" required:"" help:"Collection; it is made if there is none."`
	Include     string   `help:"Only files whose name fits this pattern." placeholder:"*.pdf"`
	OnDuplicate string   `enum:",replace,skip,error" default:"" help:"What to do with a document that exists: replace, skip or error. Defaults to replace."`
	DuplicateBy string   `enum:",id,content" default:"" help:"What makes a document one that exists: its id (its path), or its bytes, under whatever id. Defaults to id."`
	Records     bool     `help:"Take files of JSON lines (.jsonl, .ndjson) apart: each line becomes a document, at most 10,000 a file. Any of the next four says so, too."`

	RecordText     []string `help:"Members of a record that are its text. Defaults to all of the record." placeholder:"body"`
	RecordID       string   `help:"The member that is the document's id. Defaults to the file's path and the line." placeholder:"id"`
	RecordTitle    string   `help:"The member that is the title." placeholder:"title"`
	RecordMetadata []string `help:"Members that become metadata." placeholder:"year,author.name"`

	CallbackURL    string `help:"Address that the server posts each batch's outcome to, signed." placeholder:"https://..."`
	CallbackSecret string `help:"Signs callbacks. Defaults to the server's own." env:"REDKITE_INGEST_CALLBACK_SECRET" placeholder:"SECRET"`

	Wait          bool `default:"true" negatable:"" help:"Wait until all is searchable."`
	chunkingFlags `embed:""`
	connection    `embed:""`
}

// ingested sums up a run.
type ingested struct {
	Uploaded  int             `json:"uploaded"`
	Unchanged int             `json:"unchanged"`
	Batches   []rag.BatchID   `json:"batches"`
	Ready     int             `json:"ready"`
	Failed    []ingestFailure `json:"failed"`
	Seconds   float64         `json:"seconds"`
}

type ingestFailure struct {
	Document string `json:"document"`
	Reason   string `json:"reason"`
}

// source is a file to upload: its document id is its path below the folder that was named, the same in every run. An
// archive that was named itself stands for what is in it, and a file of records for them.
type source struct {
	path, id string
	archive  bool
	records  bool
}

// Run uploads, waits, and sums up. The server knows by their hash which files are unchanged, so a broken run is
// repeated at no cost.
func (c ingestCommand) Run(ctx context.Context, o output) error { return c.into(ctx, o, c.client()) }

func (c ingestCommand) into(ctx context.Context, o output, server *client.Client) error {
	began := time.Now()
	sources, err := c.sources()
	if err != nil {
		return err
	}
	if len(sources) == 0 {
		return fmt.Errorf("no files found in %s", strings.Join(c.Paths, ", "))
	}
	if sources, err = distinct(sources); err != nil {
		return err
	}
	if _, err := server.Collection(ctx, c.Collection); errors.Is(err, rag.ErrNotFound) {
		_, err = server.CreateCollection(ctx, api.NewCollection{Name: c.Collection, Chunking: c.asked()})
		if err != nil && !errors.Is(err, rag.ErrConflict) {
			return err
		}
	} else if err != nil {
		return err
	}
	run := &ingestRun{server: server, collection: c.Collection, asked: client.BatchUpload{
		Duplicates: client.Duplicates{On: c.OnDuplicate, By: c.DuplicateBy}, Records: c.recordFields(), Chunking: c.asked(),
		CallbackURL: c.CallbackURL, CallbackSecret: c.CallbackSecret,
	}, wait: c.Wait, o: o}
	for _, batch := range batches(sources) {
		if err := run.batch(ctx, batch); err != nil {
			return err
		}
	}
	run.sum.Seconds = time.Since(began).Seconds()
	return c.report(o, run.sum)
}

func (c ingestCommand) report(o output, sum ingested) error {
	if sum.Failed == nil {
		sum.Failed = []ingestFailure{}
	}
	if sum.Batches == nil {
		sum.Batches = []rag.BatchID{}
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
	records := c.Records || !reflect.DeepEqual(c.recordFields(), client.RecordFields{})
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
			out = append(out, source{path: path, id: filepath.ToSlash(id), archive: path == root && isArchive(path), records: records && endsIn(path, ".jsonl", ".ndjson")})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list files: %w", err)
		}
	}
	return out, nil
}

// recordFields are what the flags say of records.
func (c ingestCommand) recordFields() client.RecordFields {
	return client.RecordFields{Text: c.RecordText, ID: c.RecordID, Title: c.RecordTitle, Metadata: c.RecordMetadata}
}

// isArchive tells archives by their names; what they are is told by the server.
func isArchive(path string) bool { return endsIn(path, ".zip", ".tar", ".tar.gz", ".tgz") }

func endsIn(path string, ends ...string) bool {
	name := strings.ToLower(path)
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) })
}

// distinct refuses two files with one id, of which the second would replace the first, and leaves out a file that was
// named twice.
func distinct(sources []source) ([]source, error) {
	paths := make(map[string]string, len(sources))
	var out []source
	for _, s := range sources {
		key := s.id
		if s.archive {
			key = "\x00" + filepath.Clean(s.path)
		}
		first, taken := paths[key]
		if taken && filepath.Clean(first) != filepath.Clean(s.path) {
			return nil, fmt.Errorf("%s and %s would both become document %q and replace each other; ingest the folder above them, or each into its own collection", first, s.path, s.id)
		}
		if !taken {
			paths[key], out = s.path, append(out, s)
		}
	}
	return out, nil
}
