package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/evaluate"
	"github.com/redkite/redkite/internal/rag"
)

// labelled says which questions are asked, and of what.
type labelled struct {
	Data          string `required:"" type:"existingpath" help:"Labelled set: a folder in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv), or a file of JSON lines with question and document or text (docs/evaluation.md)."`
	Split         string `default:"test" help:"Judgements of a folder to use."`
	Collection    string `short:"c" help:"Collection to search; it is not changed where it exists, and filled with the set's documents where not. Defaults to one of its own, which is deleted at the end."`
	Files         string `type:"existingdir" help:"Folder of documents to fill a collection with, for a file of judgements; a document's id is its path in the folder."`
	Keep          bool   `help:"Leave the collection that was made there."`
	Queries       int    `help:"Ask only so many questions, spread evenly over the file. Defaults to all."`
	chunkingFlags `embed:""`
}

// load reads the set.
func (l labelled) load() (set evaluate.Dataset, err error) {
	if isFolder(l.Data) {
		set, err = evaluate.Load(l.Data, l.Split)
	} else {
		set, err = evaluate.LoadJudgements(l.Data)
	}
	return set.Sample(l.Queries), err
}

// filled is a collection that is ready to be asked.
type filled struct {
	collection string
	ingest     *evaluate.Ingest // nil where it was there
	server     *client.Client
	scratch    bool
}

// remove deletes a collection that was made for this run only.
func (f filled) remove(ctx context.Context, o output) {
	if !f.scratch {
		return
	}
	if _, err := f.server.DeleteCollection(context.WithoutCancel(ctx), f.collection); err != nil {
		fmt.Fprintf(o.err, "collection %s is left: %v\n", f.collection, err)
	}
}

// fill finds the collection to ask, or makes and fills one. Judged documents that it does not hold are refused.
func (l labelled) fill(ctx context.Context, o output, server *client.Client, set *evaluate.Dataset) (filled, error) {
	out := filled{collection: l.Collection, server: server}
	if l.Collection != "" {
		_, err := server.Collection(ctx, l.Collection)
		if err == nil {
			return out, l.known(ctx, server, *set)
		}
		if !errors.Is(err, rag.ErrNotFound) {
			return out, err
		}
	}
	if len(set.Corpus) == 0 && l.Files == "" {
		return out, &evaluate.Fault{Path: l.Data, What: "a file of judgements brings no documents: name a collection that holds them with -c, or their folder with --files"}
	}
	if l.Collection == "" {
		out.collection = fmt.Sprintf("eval-%s", evaluate.NewID(time.Now(), set.Name))
		out.scratch = !l.Keep
	}
	began := time.Now()
	err := l.upload(ctx, o, server, out.collection, *set)
	if err == nil {
		out.ingest = &evaluate.Ingest{Seconds: time.Since(began).Seconds()}
		l.Collection = out.collection
		err = l.known(ctx, server, *set)
	}
	if err != nil {
		out.remove(ctx, o)
	}
	return out, err
}

// upload makes the collection and waits until all is searchable.
func (l labelled) upload(ctx context.Context, o output, server *client.Client, collection string, set evaluate.Dataset) error {
	if len(set.Corpus) == 0 {
		ingest := ingestCommand{Paths: []string{filepath.Clean(l.Files)}, Collection: collection, Wait: true, chunkingFlags: l.chunkingFlags}
		return ingest.into(ctx, output{out: o.err, err: o.err}, server)
	}
	if _, err := server.CreateCollection(ctx, api.NewCollection{Name: collection, Chunking: l.asked()}); err != nil {
		return err
	}
	for batch := range slices.Chunk(set.Corpus, uploadBatch) {
		documents := make([]api.NewDocument, len(batch))
		for i, d := range batch {
			documents[i] = api.NewDocument{ID: d.ID, Title: d.Title, Text: d.Text}
		}
		if _, err := server.UploadDocuments(ctx, collection, documents); err != nil {
			return err
		}
	}
	return awaitSearchable(ctx, o, server, collection, len(set.Corpus))
}

// uploadBatch is how many documents go into one request.
const uploadBatch = 200

// awaitSearchable waits until nothing is pending.
func awaitSearchable(ctx context.Context, o output, server *client.Client, collection string, total int) error {
	p := newProgress(o, total, "documents searchable")
	defer p.finish()
	for {
		now, err := server.Collection(ctx, collection)
		if err != nil {
			return err
		}
		p.set(now.Documents.Total-now.Documents.Pending, total)
		if now.Documents.Pending == 0 {
			if now.Documents.Failed > 0 {
				return fmt.Errorf("%d documents failed; see redkite jobs list --state failed -c %s", now.Documents.Failed, collection)
			}
			return nil
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// known refuses judgements of documents that the collection does not hold.
func (l labelled) known(ctx context.Context, server *client.Client, set evaluate.Dataset) error {
	var unknown []string
	for _, id := range set.Documents() {
		_, err := server.Document(ctx, l.Collection, id)
		if errors.Is(err, rag.ErrNotFound) {
			unknown = append(unknown, id)
		} else if err != nil {
			return err
		}
	}
	return set.Unknown(l.Collection, unknown)
}

// searcher asks a server's collection.
type searcher struct {
	server     *client.Client
	collection string
}

// Search sends the request as it is.
func (s searcher) Search(ctx context.Context, r evaluate.Request) (evaluate.Answer, error) {
	var a evaluate.Answer
	began := time.Now()
	err := s.server.SearchRaw(ctx, s.collection, r, &a)
	a.Took = float64(time.Since(began).Microseconds()) / 1000
	var refused *client.Error
	switch {
	case errors.As(err, &refused) && errors.Is(err, rag.ErrInvalid):
		err = fmt.Errorf("%w: %s", evaluate.ErrRefused, refused.Detail)
	case errors.As(err, &refused) && refused.Status == http.StatusGatewayTimeout:
		err = fmt.Errorf("%w: %w", evaluate.ErrLate, err)
	}
	return a, err
}
