package app

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	chaosRounds = flag.Int("chaos.rounds", 4, "kills in TestChaos")
	chaosSeed   = flag.Uint64("chaos.seed", 1, "what TestChaos draws its moments, victims and operations from")
)

const (
	chaosDocuments = 2000
	chaosParts     = 3 // chunks a document
	chaosWriters   = 4
	chaosSettle    = 10 // rounds between two looks at everything
)

// TestChaos kills the server or its Milvus again and again, with -9 and at random moments, while clients upload, replace
// and delete, and one searches all the while. What they were promised must hold (docs/reliability.md).
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts real servers")
	}
	c := &chaos{t: t, data: t.TempDir(), journal: newJournal(), random: rand.New(rand.NewPCG(*chaosSeed, 1)), kills: map[string]int{}}
	c.build()
	c.start()
	defer c.kill("server")
	c.post(http.StatusCreated, "/api/v1/collections", object{"name": "chaos", "fields": []object{{"name": "doc", "type": "int"}}})
	for round := 1; round <= *chaosRounds; round++ {
		c.round(round)
		if round%chaosSettle == 0 || round == *chaosRounds {
			c.settle()
		}
		if len(c.journal.violations) > 0 {
			t.Fatalf("seed %d, round %d:\n%s\nserver log:\n%s", *chaosSeed, round, strings.Join(c.journal.violations, "\n"), c.logTail())
		}
	}
	t.Logf("| seed | rounds | server killed | Milvus killed | acknowledged | not answered | reads | orphans before reconciling | violations |")
	t.Logf("| %d | %d | %d | %d | %d | %d | %d | %d | %d |", *chaosSeed, *chaosRounds, c.kills["server"], c.kills["milvus"], c.acknowledged, c.unanswered, c.journal.reads, c.orphans, len(c.journal.violations))
}

// chaos is one run.
type chaos struct {
	t       *testing.T
	data    string
	binary  string
	address string
	process *exec.Cmd
	journal *journal
	random  *rand.Rand
	kills   map[string]int
	orphans int

	mu                       sync.Mutex
	acknowledged, unanswered int
}

func (c *chaos) build() {
	c.binary = filepath.Join(c.data, "redkite")
	if out, err := exec.Command("go", "build", "-o", c.binary, "../../cmd/redkite").CombinedOutput(); err != nil {
		c.t.Fatalf("build: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		c.t.Fatal(err)
	}
}

// start starts the server and waits until it is ready.
func (c *chaos) start() {
	c.t.Helper()
	s := settings(c.t, filepath.Join(c.data, "data"))
	log, err := os.OpenFile(filepath.Join(c.data, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.process = exec.Command(c.binary, "serve", "--data", s.Data, "--address", c.address, "--models", s.Models,
		"--onnxruntime-library", s.ONNXRuntimeLibrary, "--milvus-lite-command", s.MilvusLiteCommand)
	c.process.Stdout, c.process.Stderr = log, log
	if err := c.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		response, err := http.Get("http://" + c.address + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("the server is not ready a minute after its start: %v\n%s", err, c.logTail())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// kill kills one of the two processes. The embedded Milvus must not outlive its server.
func (c *chaos) kill(victim string) {
	if victim == "milvus" {
		raw, err := os.ReadFile(filepath.Join(c.data, "data", "milvus", "milvus-lite.pid"))
		if err != nil {
			return // it is being started
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return
	}
	_ = c.process.Process.Kill()
	_ = c.process.Wait()
}

// round lets clients work and kills in the middle of it.
func (c *chaos) round(n int) {
	victim := []string{"server", "server", "milvus"}[c.random.IntN(3)]
	moment := time.Duration(200+c.random.IntN(1800)) * time.Millisecond
	ctx, cancel := context.WithCancel(c.t.Context())
	var clients sync.WaitGroup
	for w := range chaosWriters {
		random := rand.New(rand.NewPCG(*chaosSeed, uint64(n*100+w)))
		clients.Go(func() { c.write(ctx, w, random) })
	}
	clients.Go(func() { c.read(ctx, rand.New(rand.NewPCG(*chaosSeed, uint64(n*100+99)))) })
	time.Sleep(moment)
	c.kill(victim)
	c.kills[victim]++
	if victim == "server" {
		c.start()
	}
	time.Sleep(300 * time.Millisecond)
	cancel()
	clients.Wait()
}

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
		wait := ""
		if random.IntN(3) == 0 {
			wait = "?wait=10s"
		}
		if random.IntN(5) == 0 {
			c.journal.beginDelete(id)
			status, _ := c.send(ctx, "DELETE", path+wait, nil)
			if status == http.StatusOK || status == http.StatusAccepted || status == http.StatusNotFound {
				c.journal.deleted(id)
			}
			c.count(status)
			continue
		}
		revision := c.journal.beginUpload(id)
		status, answer := c.send(ctx, "PUT", path+wait, revisionOf(id, revision))
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
		status, answer := c.send(ctx, "POST", "/api/v1/collections/chaos/search", object{
			"query": fmt.Sprintf("document %d", id), "rerank": false, "top_k": 10, "filter": object{"type": "eq", "key": "doc", "value": id},
		})
		if status != http.StatusOK {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		c.journal.saw(id, before, revisionsOf(answer))
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

// send gives the status and the answer of a request, or 0 where none came.
func (c *chaos) send(ctx context.Context, method, path string, body any) (int, object) {
	raw, err := json.Marshal(body)
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, bytes.NewReader(raw))
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	raw, err = io.ReadAll(response.Body)
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

// post sends what must succeed.
func (c *chaos) post(want int, path string, body any) object {
	c.t.Helper()
	status, answer := c.send(c.t.Context(), "POST", path, body)
	if status != want {
		c.t.Fatalf("POST %s: %d %v\n%s", path, status, answer, c.logTail())
	}
	return answer
}

// settle waits until every job is over, and compares all there is with the journal: documents with the catalog's, then,
// once reconciled, the catalog with Milvus.
func (c *chaos) settle() {
	c.t.Helper()
	for _, state := range []string{"queued", "running", "retrying", "queued", "running"} {
		for deadline := time.Now().Add(2 * time.Minute); ; {
			status, answer := c.send(c.t.Context(), "GET", "/api/v1/jobs?state="+state, nil)
			if status == http.StatusOK && len(answer["jobs"].([]any)) == 0 {
				break
			}
			if time.Now().After(deadline) {
				c.t.Fatalf("jobs are %s for two minutes: %v\n%s", state, answer, c.logTail())
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	there := c.documents()
	for id := range c.journal.documents {
		c.journal.settled(id, there[id])
	}
	dry := c.reconcile("?dry_run=true")
	if dry["missing"] != 0.0 || dry["stale"] != 0.0 {
		c.journal.violations = append(c.journal.violations, fmt.Sprintf("Milvus lacks what is live: %v", dry))
	}
	c.orphans += int(dry["orphaned"].(float64))
	c.reconcile("")
	if again := c.reconcile("?dry_run=true"); again["missing"] != 0.0 || again["stale"] != 0.0 || again["orphaned"] != 0.0 {
		c.journal.violations = append(c.journal.violations, fmt.Sprintf("not clean once reconciled: %v", again))
	}
	status, collection := c.send(c.t.Context(), "GET", "/api/v1/collections/chaos", nil)
	if status != http.StatusOK || collection["chunks"] != float64(len(there)*chaosParts) {
		c.journal.violations = append(c.journal.violations, fmt.Sprintf("%d documents have %v chunks", len(there), collection["chunks"]))
	}
}

// documents gives the revision of every document, read from its live chunks.
func (c *chaos) documents() map[int]int {
	c.t.Helper()
	there := map[int]int{}
	for after := ""; ; {
		status, page := c.send(c.t.Context(), "GET", "/api/v1/collections/chaos/documents?limit=1000&after="+after, nil)
		if status != http.StatusOK {
			c.t.Fatalf("list documents: %d %v", status, page)
		}
		for _, d := range page["documents"].([]any) {
			var id int
			if _, err := fmt.Sscanf(d.(object)["document_id"].(string), "d%d", &id); err != nil {
				c.t.Fatal(err)
			}
			status, answer := c.send(c.t.Context(), "POST", "/api/v1/collections/chaos/search", object{
				"query": "document", "rerank": false, "top_k": 10, "filter": object{"type": "eq", "key": "doc", "value": id},
			})
			if status != http.StatusOK || len(revisionsOf(answer)) != chaosParts {
				c.t.Fatalf("document %d, settled: %d %v\n%v", id, status, answer, d)
			}
			there[id] = revisionsOf(answer)[0]
		}
		next, more := page["next"].(string)
		if !more {
			return there
		}
		after = next
	}
}

func (c *chaos) reconcile(query string) object {
	c.t.Helper()
	job := c.post(http.StatusAccepted, "/api/v1/collections/chaos:reconcile"+query, nil)
	status, job := c.send(c.t.Context(), "GET", fmt.Sprintf("/api/v1/jobs/%v?wait=25s", job["id"]), nil)
	if status != http.StatusOK || job["state"] != "succeeded" {
		c.t.Fatalf("reconcile: %d %v\n%s", status, job, c.logTail())
	}
	return job["found"].(object)
}

// logTail is the end of the server's log.
func (c *chaos) logTail() string {
	raw, err := os.ReadFile(filepath.Join(c.data, "log"))
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-4000):])
}
