// Command demo shows redkite's main job on real documents: it starts a server with an empty data folder, uploads a
// sample over HTTP, asks, and prints the bi-encoder's order and the reranked order side by side.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
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
	questions := questions()
	for _, q := range questions {
		if err := compare(ctx, server.client, q); err != nil {
			return err
		}
	}
	if err := showContext(ctx, server.client, questions[0]); err != nil {
		return err
	}
	if os.Getenv("KEEP") == "" {
		fmt.Println("\nThat was it; the server stops. Go on with 'make run' and open http://127.0.0.1:8080/docs,")
		fmt.Println("or run 'make demo KEEP=1' to keep this one, 'make demo DOCS=folder' for your own documents.")
		return nil
	}
	fmt.Printf("\nThe server goes on at %s; its API is at %s/docs. Ctrl-C ends it.\n", server.base, server.base)
	<-ctx.Done()
	return nil
}

// questions are asked of the sample; QUESTIONS, separated by |, replaces them.
func questions() []string {
	if own := os.Getenv("QUESTIONS"); own != "" {
		return strings.Split(own, "|")
	}
	return []string{
		"What happens to an upload when the worker is killed?",
		"How can I use my own Milvus server instead of the embedded one?",
		"Why is the cross-encoder's score blended with the bi-encoder's?",
	}
}

// server is the redkite that the demo runs.
type server struct {
	command *exec.Cmd
	base    string
	log     string
	client  *client.Client
}

// startTimeout is how long the server may take until it is ready.
const startTimeout = 2 * time.Minute

// start runs the redkite that lies beside this program.
func start(ctx context.Context, data string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	s := &server{base: "http://" + address, log: data + ".log", client: client.New("http://"+address, "")}
	output, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	s.command = exec.Command(filepath.Join(filepath.Dir(self), "redkite"), "serve", "--data", data, "--address", address)
	s.command.Stdout, s.command.Stderr = output, output
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start redkite: %w", err)
	}
	began := time.Now()
	fmt.Printf("Starting redkite with an empty data folder on %s\n", s.base)
	for time.Since(began) < startTimeout && ctx.Err() == nil {
		if s.client.Ready(ctx) == nil {
			fmt.Printf("Ready after %.1f s.\n", time.Since(began).Seconds())
			return s, nil
		}
		if syscall.Kill(s.command.Process.Pid, 0) != nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("redkite did not get ready; its log ends:\n%s", s.tail()), s.stop())
}

// stop ends the server as an operator would.
func (s *server) stop() error {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- s.command.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("redkite ended: %w; its log ends:\n%s", err, s.tail())
		}
		return nil
	case <-time.After(time.Minute):
		return errors.Join(errors.New("redkite did not stop within a minute"), s.command.Process.Kill())
	}
}

// tail gives the last lines of the server's log.
func (s *server) tail() string {
	raw, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
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
		uploaded, err := c.UploadFile(ctx, collection, filepath.ToSlash(id), entry.Name(), file)
		if errors.Is(err, rag.ErrInvalid) || len(uploaded.Documents) == 0 {
			fmt.Printf("  refused     %s: %v\n", id, err)
			return nil
		}
		jobs[id], order = uploaded.Documents[0].JobID, append(order, id)
		return err
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
