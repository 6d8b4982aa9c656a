package app

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	chaosRounds  = flag.Int("chaos.rounds", 4, "rounds of kills in TestChaos, half of them with each catalog")
	chaosNetwork = flag.Int("chaos.network", 2, "rounds of faults in TestChaosNetwork")
	chaosDisk    = flag.Int("chaos.disk", 2, "times that the disk fills up in TestChaosFullDisk")
	chaosSeed    = flag.Uint64("chaos.seed", 1, "what the chaos tests draw their moments, victims and operations from")
	chaosLog     = flag.String("chaos.log", "", "where to leave the log of a run that failed. Defaults to nowhere")
	chaosCatalog = flag.String("chaos.catalog", "", "the only catalog of TestChaos: sqlite or postgres; it then has all rounds. Defaults to both")
)

const (
	chaosDocuments = 2000
	chaosParts     = 3 // chunks a document
	chaosWriters   = 4
	chaosSettle    = 10 // rounds between two looks at everything
	chaosBatch     = 3  // rounds of which one has a batch uploaded
)

// TestChaos kills processes again and again, with -9 and at random moments, while clients upload, replace and delete,
// and one searches all the while. What they were promised must hold (docs/reliability.md). With SQLite that is one server
// and its embedded Milvus; with PostgreSQL an API, two workers, a Milvus server and PostgreSQL itself.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts real servers")
	}
	binary := buildRedkite(t)
	for _, catalog := range []struct {
		name string
		make func(*testing.T, string) *fleet
	}{{"sqlite", newEmbedded}, {"postgres", newSpread}} {
		rounds := *chaosRounds
		switch *chaosCatalog {
		case "":
			rounds = (rounds + 1) / 2
		case catalog.name:
		default:
			continue
		}
		t.Run(catalog.name, func(t *testing.T) {
			f := catalog.make(t, binary)
			f.start()
			c := newChaos(t, "http://"+f.api(), f.logTail)
			for round := 1; round <= rounds; round++ {
				c.round(round, time.Duration(200+c.random.IntN(1800))*time.Millisecond, func() { f.strike(c.random) })
				if ended := f.ended(); len(ended) > 0 {
					c.journal.blame("ended by themselves: %v", ended)
				}
				if round%chaosSettle == 0 || round == rounds {
					c.settle()
				}
				c.check(round)
			}
			t.Log("| catalog | seed | rounds | server, API killed | workers | Milvus | PostgreSQL | acknowledged | not answered | reads | orphans before reconciling | violations |")
			t.Logf("| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d |", catalog.name, *chaosSeed, rounds,
				f.kills["server"]+f.kills["api"], f.kills["worker 1"]+f.kills["worker 2"], f.kills["milvus"], f.kills["postgres"],
				c.acknowledged, c.unanswered, c.journal.reads, c.orphans, len(c.journal.violations))
		})
	}
}

// chaos is one run: clients of one collection, and what they know.
type chaos struct {
	t       *testing.T
	base    string
	log     func() string // the end of what the servers logged
	journal *journal
	random  *rand.Rand
	wait    time.Duration // how long the clients that wait let the server wait
	orphans int
	batches batchLedger

	mu                       sync.Mutex
	acknowledged, unanswered int
	slowest                  map[string]time.Duration // by what was asked; how much longer it took than allowed
}

func newChaos(t *testing.T, base string, log func() string) *chaos {
	c := &chaos{
		t: t, base: base, log: log, journal: newJournal(), random: rand.New(rand.NewPCG(*chaosSeed, 1)), wait: 10 * time.Second,
		slowest: map[string]time.Duration{},
	}
	c.must(http.StatusCreated, "POST", "/api/v1/collections", object{"name": "chaos", "fields": []object{{"name": "doc", "type": "int"}}})
	return c
}

// round lets clients work, and strikes after a while.
func (c *chaos) round(n int, moment time.Duration, strike func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	var clients sync.WaitGroup
	for w := range chaosWriters {
		random := rand.New(rand.NewPCG(*chaosSeed, uint64(n*100+w)))
		clients.Go(func() { c.write(ctx, w, random) })
	}
	if n%chaosBatch == 0 {
		clients.Go(func() { c.upload(ctx) })
	}
	clients.Go(func() { c.read(ctx, rand.New(rand.NewPCG(*chaosSeed, uint64(n*100+99)))) })
	time.Sleep(moment)
	strike()
	time.Sleep(300 * time.Millisecond)
	cancel()
	clients.Wait()
}

// check ends the test where something that was promised did not hold.
func (c *chaos) check(round int) {
	c.t.Helper()
	if violations := c.journal.found(); len(violations) > 0 {
		c.t.Fatalf("seed %d, round %d:\n%s\nserver log:\n%s", *chaosSeed, round, strings.Join(violations, "\n"), c.log())
	}
}

// settle waits until every job is over, and compares all there is with the journal: documents with the catalog's, then,
// once reconciled, the catalog with Milvus.
func (c *chaos) settle() {
	c.t.Helper()
	c.rest()
	if failed := c.must(http.StatusOK, "GET", "/api/v1/jobs?state=failed", nil)["jobs"].([]any); len(failed) > 0 {
		c.journal.blame("jobs failed: %v", failed)
	}
	there, ofBatches := c.documents()
	for id := range c.journal.documents {
		c.journal.settled(id, there[id])
	}
	c.settleBatches(ofBatches)
	c.rest()
	dry := c.reconcile("?dry_run=true")
	if dry["missing"] != 0.0 || dry["stale"] != 0.0 {
		c.journal.blame("Milvus lacks what is live: %v", dry)
	}
	c.orphans += int(dry["orphaned"].(float64))
	c.reconcile("")
	if again := c.reconcile("?dry_run=true"); again["missing"] != 0.0 || again["stale"] != 0.0 || again["orphaned"] != 0.0 {
		c.journal.blame("not clean once reconciled: %v", again)
	}
	collection := c.must(http.StatusOK, "GET", "/api/v1/collections/chaos", nil)
	if collection["chunks"] != float64(len(there)*chaosParts) {
		c.journal.blame("%d documents have %v chunks", len(there), collection["chunks"])
	}
}

// rest waits until every job is over.
func (c *chaos) rest() {
	c.t.Helper()
	for _, state := range []string{"queued", "running", "retrying", "queued", "running"} {
		for deadline := time.Now().Add(settleTimeout); ; {
			status, answer := c.send(c.t.Context(), "GET", "/api/v1/jobs?state="+state, nil)
			if status == http.StatusOK && len(answer["jobs"].([]any)) == 0 {
				break
			}
			if time.Now().After(deadline) {
				c.t.Fatalf("jobs are %s for %s: %d %v\n%s", state, settleTimeout, status, answer, c.log())
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// documents gives the revision of every document, read from its live chunks, and how many documents each batch has.
func (c *chaos) documents() (there, ofBatches map[int]int) {
	c.t.Helper()
	there, ofBatches = map[int]int{}, map[int]int{}
	for after := ""; ; {
		page := c.must(http.StatusOK, "GET", "/api/v1/collections/chaos/documents?limit=1000&after="+after, nil)
		for _, d := range page["documents"].([]any) {
			var id int
			if _, err := fmt.Sscanf(d.(object)["document_id"].(string), "b%d-", &id); err == nil {
				ofBatches[id]++
				continue
			}
			if _, err := fmt.Sscanf(d.(object)["document_id"].(string), "d%d", &id); err != nil {
				c.t.Fatal(err)
			}
			answer := c.must(http.StatusOK, "POST", "/api/v1/collections/chaos/search", searchFor(id))
			if len(revisionsOf(answer)) != chaosParts {
				c.t.Fatalf("document %d, settled: %v\n%v\n%s", id, answer, d, c.log())
			}
			there[id] = revisionsOf(answer)[0]
		}
		next, more := page["next"].(string)
		if !more {
			return there, ofBatches
		}
		after = next
	}
}

func (c *chaos) reconcile(query string) object {
	c.t.Helper()
	job := c.must(http.StatusAccepted, "POST", "/api/v1/collections/chaos:reconcile"+query, nil)
	job = c.must(http.StatusOK, "GET", fmt.Sprintf("/api/v1/jobs/%v?wait=25s", job["id"]), nil)
	if job["state"] != "succeeded" {
		c.t.Fatalf("reconcile: %v\n%s", job, c.log())
	}
	return job["found"].(object)
}
