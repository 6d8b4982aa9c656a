package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/redkite/redkite/internal/milvus/milvustest"
)

// overtime is how much longer than its deadline a request may take.
const overtime = 1500 * time.Millisecond

// TestChaosNetwork puts faults between redkite and a Milvus server, while clients work as in TestChaos: answers that are
// late, slow, cut off, reset or lost. What clients were promised must hold, no request may outlive its deadline, and
// everything must go on by itself when the fault is over: nothing is restarted.
func TestChaosNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts real servers")
	}
	between := newNetwork(t, startMilvus(t).Address())
	s := settings(t, t.TempDir())
	s.MilvusAddress, s.MilvusTimeout, s.IngestWorkers = between.listen, 3*time.Second, 4
	c := newChaos(t, start(t, s).base, func() string { return "in this process" })
	c.wait = 3 * time.Second
	var recovery time.Duration // the longest from the end of a fault until a search is answered
	for round := 1; round <= *chaosNetwork; round++ {
		faults := between.draw(c.random)
		length := time.Duration(500+c.random.IntN(3500)) * time.Millisecond
		c.round(round, 200*time.Millisecond, func() {
			between.add(faults)
			time.Sleep(length)
			between.clear()
		})
		over := time.Now()
		c.must(200, "POST", "/api/v1/collections/chaos/search", searchFor(0))
		recovery = max(recovery, time.Since(over))
		between.renew()
		c.journal.punctual(c.slowest, faults)
		if round%chaosSettle == 0 || round == *chaosNetwork {
			c.settle()
		}
		c.check(round)
	}
	if recovery > 10*time.Second {
		t.Errorf("searches were answered again %s after the end of a fault", recovery)
	}
	t.Logf("faults: %v; longest beyond each deadline: %v", between.drawn, c.slowest)
	t.Log("| seed | rounds | faults | acknowledged | not answered | reads | longest beyond a deadline | longest recovery | orphans before reconciling | violations |")
	t.Logf("| %d | %d | %d | %d | %d | %d | %s | %s | %d | %d |", *chaosSeed, *chaosNetwork, between.total(), c.acknowledged, c.unanswered, c.journal.reads,
		longest(c.slowest).Round(time.Millisecond), recovery.Round(time.Millisecond), c.orphans, len(c.journal.found()))
}

// punctual blames requests that outlived their deadlines.
func (j *journal) punctual(slowest map[string]time.Duration, faults []fault) {
	for what, over := range slowest {
		if over > overtime {
			j.blame("%s answered %s after its deadline, with %+v", what, over, faults)
		}
	}
}

func longest(slowest map[string]time.Duration) time.Duration {
	most := time.Duration(0)
	for _, over := range slowest {
		most = max(most, over)
	}
	return most
}

// network is what lies between redkite and Milvus: toxiproxy, in this process.
type network struct {
	t                *testing.T
	listen, upstream string
	proxy            *toxiproxy.Proxy
	drawn            map[string]int // faults by kind
}

func newNetwork(t *testing.T, upstream string) *network {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // some of its faults log to no logger of ours
	n := &network{t: t, listen: fmt.Sprintf("127.0.0.1:%d", milvustest.FreePort(t)), upstream: upstream, drawn: map[string]int{}}
	t.Cleanup(func() { n.proxy.Stop() })
	n.renew()
	return n
}

// renew cuts all connections and puts a new proxy in place: one that keeps connections which an earlier fault has closed
// panics when it is given another fault.
func (n *network) renew() {
	n.t.Helper()
	if n.proxy != nil {
		n.proxy.Stop()
	}
	n.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "milvus", n.listen, n.upstream)
	if err := n.proxy.Start(); err != nil {
		n.t.Fatal(err)
	}
}

// fault is one of toxiproxy's toxics, as it takes them.
type fault struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`   // upstream: what redkite sends; downstream: what Milvus answers
	Toxicity   float64        `json:"toxicity"` // the share of connections that it is on
	Attributes map[string]int `json:"attributes"`
}

// draw gives one to three faults.
func (n *network) draw(random *rand.Rand) []fault {
	var faults []fault
	for i := range 1 + random.IntN(3) {
		f := fault{Stream: []string{"upstream", "downstream"}[random.IntN(2)], Toxicity: 1}
		f.Type, f.Attributes = attributesOf(random)
		f.Name = fmt.Sprintf("%s %d", f.Type, i)
		n.drawn[f.Type]++
		faults = append(faults, f)
	}
	return faults
}

func attributesOf(random *rand.Rand) (kind string, attributes map[string]int) {
	switch random.IntN(6) {
	case 0:
		return "latency", map[string]int{"latency": random.IntN(2500), "jitter": random.IntN(1000)}
	case 1:
		return "reset_peer", map[string]int{"timeout": random.IntN(500)}
	case 2: // answers nothing and then closes; 0 never closes
		return "timeout", map[string]int{"timeout": random.IntN(2) * random.IntN(2000)}
	case 3:
		return "bandwidth", map[string]int{"rate": 1 + random.IntN(50)} // KB a second
	case 4:
		return "slow_close", map[string]int{"delay": random.IntN(3000)}
	}
	return "limit_data", map[string]int{"bytes": 100 + random.IntN(20000)}
}

func (n *network) add(faults []fault) {
	n.t.Helper()
	for _, f := range faults {
		raw, err := json.Marshal(f)
		if err != nil {
			n.t.Fatal(err)
		}
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(string(raw))); err != nil {
			n.t.Fatalf("%s: %v", raw, err)
		}
	}
}

// clear ends the faults.
func (n *network) clear() {
	n.t.Helper()
	cleared := make(chan struct{})
	go func() {
		n.proxy.Toxics.ResetToxics(n.t.Context())
		close(cleared)
	}()
	select {
	case <-cleared:
	case <-time.After(20 * time.Second):
		n.t.Fatal("toxiproxy does not give up its faults")
	}
}

func (n *network) total() int {
	total := 0
	for _, drawn := range n.drawn {
		total += drawn
	}
	return total
}
