// Command demo shows redkite's main job on real documents: it starts a server with an empty data folder, uploads a
// sample over HTTP, asks, and prints the bi-encoder's order and the reranked order side by side.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/rag"
)

// collection is what the demo fills and asks.
const collection = "demo"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context) (err error) {
	work, err := os.MkdirTemp("", "redkite-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	docs := os.Getenv("DOCS")
	if docs == "" {
		docs = filepath.Join(work, "sample")
		if err := os.Mkdir(docs, 0o755); err != nil {
			return err
		}
		n, err := makeSample("docs", docs)
		if err != nil {
			return err
		}
		fmt.Printf("The sample: redkite's own documentation as %d files (Markdown, HTML, one PDF).\n", n)
	}
	server, err := start(ctx, filepath.Join(work, "data"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	if err := ingest(ctx, server.client, docs); err != nil {
		return err
	}
	if err := ask(ctx, server.client, questions()); err != nil {
		return err
	}
	if os.Getenv("KEEP") == "" {
		fmt.Println("\nThat was it; the server stops. Go on with 'make run' and open http://127.0.0.1:8080/docs,")
		fmt.Println("or run 'make demo KEEP=1' to keep this one, 'make demo DOCS=folder' for your own documents,")
		fmt.Println("with QUESTIONS='one?|another?' for your own questions.")
		return nil
	}
	fmt.Printf("\nThe server goes on at %s; its API is at %s/docs. Ask it:\n", server.base, server.base)
	fmt.Printf("  bin/redkite search 'your question' -c %s --server %s\n", collection, server.base)
	fmt.Println("Ctrl-C ends it and removes its data.")
	select {
	case <-ctx.Done():
		return nil
	case err := <-server.ended:
		server.ended <- err // for stop
		return errors.New("redkite ended by itself")
	}
}

// ask shows both orders for every question, and the context of the first.
func ask(ctx context.Context, c *client.Client, questions []string) error {
	if len(questions) == 0 {
		fmt.Println("\nTo ask them something: make demo DOCS=folder QUESTIONS='one?|another?'")
		return nil
	}
	for _, q := range questions {
		if err := compare(ctx, c, q); err != nil {
			return err
		}
	}
	return showContext(ctx, c, questions[0])
}

// questions are asked of the sample; QUESTIONS, separated by |, replaces them. There are none for the user's own files.
func questions() []string {
	if own := os.Getenv("QUESTIONS"); own != "" {
		return strings.FieldsFunc(own, func(r rune) bool { return r == '|' })
	}
	if os.Getenv("DOCS") != "" {
		return nil
	}
	return []string{
		"What happens to an upload when the worker is killed?",
		"How can I use my own Milvus server instead of the embedded one?",
		"Why is the cross-encoder's score blended with the bi-encoder's?",
	}
}

// ingest uploads every file below docs, then waits until all are searchable.
func ingest(ctx context.Context, c *client.Client, docs string) error {
	if _, err := c.CreateCollection(ctx, api.NewCollection{Name: collection}); err != nil {
		return err
	}
	began := time.Now()
	jobs := map[string]rag.JobID{}
	var order []string
	err := filepath.WalkDir(docs, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		id, err := filepath.Rel(docs, path)
		if err != nil {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		uploaded, err := c.UploadFile(ctx, collection, filepath.ToSlash(id), entry.Name(), file, client.Manner{})
		var refused *client.Error
		if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
			fmt.Printf("  %-10s  %s: %s\n", "refused", id, refused.Detail)
			return nil
		}
		if err != nil || len(uploaded.Documents) == 0 {
			return fmt.Errorf("upload %s: %w", id, errors.Join(err, ctx.Err()))
		}
		jobs[id], order = uploaded.Documents[0].JobID, append(order, id)
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d files uploaded over HTTP in %.2f s; now they are parsed, chunked, embedded and indexed:\n", len(order), time.Since(began).Seconds())
	for _, id := range order {
		job, err := c.Job(ctx, jobs[id], 5*time.Minute)
		if err != nil {
			return err
		}
		detail := fmt.Sprintf("%d chunks", job.Total)
		if job.Error != nil {
			detail = job.Error.Message
		}
		fmt.Printf("  %-10s  %s: %s\n", job.State, id, detail)
	}
	all, err := c.Collection(ctx, collection)
	if err != nil {
		return err
	}
	fmt.Printf("%d documents with %d chunks are searchable after %.1f s.\n", all.Documents.Ready, all.Chunks, time.Since(began).Seconds())
	return nil
}
