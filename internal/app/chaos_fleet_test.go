package app

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/catalog/postgrestest"
	"github.com/redkite/redkite/internal/milvus"
	"github.com/redkite/redkite/internal/milvus/milvustest"
)

// fleet is redkite as several processes, with what they stand on.
type fleet struct {
	t         *testing.T
	dir       string
	binary    string
	processes []*process
	parts     []part             // in the order in which they come back
	vectors   *milvustest.Server // nil with the embedded Milvus
	kills     map[string]int
}

// part is what a round may kill.
type part struct {
	name   string
	often  int // how often it is drawn, against the others
	kill   func()
	revive func()
}

// process is one redkite.
type process struct {
	name    string
	address string
	awaits  string // the path that answers 200 when it has started
	args    []string
	cmd     *exec.Cmd
	ended   chan struct{}
}

// buildRedkite makes the program that the processes run.
func buildRedkite(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "redkite")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/redkite").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// newEmbedded is one process with SQLite and the embedded Milvus.
func newEmbedded(t *testing.T, binary string) *fleet {
	f := &fleet{t: t, dir: t.TempDir(), binary: binary, kills: map[string]int{}}
	server := f.add("server", "/readyz", "--milvus-lite-command", settings(t, "").MilvusLiteCommand)
	f.parts = []part{f.part(server, 2), {name: "milvus", often: 1, kill: f.killLite, revive: func() {}}}
	return f
}

// newSpread is a process that serves the API and two that work, on one PostgreSQL and one Milvus server.
func newSpread(t *testing.T, binary string) *fleet {
	f := &fleet{t: t, dir: t.TempDir(), binary: binary, kills: map[string]int{}}
	postgres, vectors := postgrestest.Start(t), startMilvus(t)
	f.vectors = vectors
	shared := []string{"--catalog-url", postgres.Database(t), "--milvus-address", vectors.Address(), "--ingest-workers", "2"}
	f.parts = []part{
		{name: "postgres", often: 1, kill: func() { postgres.Kill(t) }, revive: func() { postgres.Restart(t) }},
		{name: "milvus", often: 1, kill: vectors.Kill, revive: vectors.Launch},
		f.part(f.add("api", "/livez", append(shared, "--role", "api")...), 2),
		f.part(f.add("worker 1", "/livez", append(shared, "--role", "worker")...), 2),
		f.part(f.add("worker 2", "/livez", append(shared, "--role", "worker")...), 2),
	}
	return f
}

// startMilvus runs a real Milvus server for the length of a test. Milvus Lite would not do for several processes: it takes
// no concurrent writes to one collection. A server that was killed waits until the sessions of its former life have run
// out; they are shortened from 30 s, so that a run does not consist of that.
func startMilvus(t *testing.T) *milvustest.Server {
	t.Helper()
	command := os.Getenv("REDKITE_TEST_MILVUS_SERVER")
	if command == "" {
		command = "../../.deps/milvus-server/bin/milvus-server"
	}
	command, err := filepath.Abs(command)
	if err == nil {
		_, err = os.Stat(command)
	}
	if err != nil {
		t.Fatalf("%v: run 'make deps-test', or set REDKITE_TEST_MILVUS_SERVER", err)
	}
	return milvustest.Start(t, command, func(address string) bool {
		c := milvus.New(milvus.Config{Address: func() string { return address }}, slog.New(slog.DiscardHandler))
		defer c.Close()
		_, err := c.Ping(t.Context())
		return err == nil
	}, "COMMON_SESSION_TTL=10")
}

// add names a process; all share one data folder.
func (f *fleet) add(name, awaits string, args ...string) *process {
	s := settings(f.t, filepath.Join(f.dir, "data"))
	p := &process{name: name, awaits: awaits, address: fmt.Sprintf("127.0.0.1:%d", milvustest.FreePort(f.t))}
	p.args = append([]string{"serve", "--data", s.Data, "--address", p.address, "--models", s.Models,
		"--onnxruntime-library", s.ONNXRuntimeLibrary, "--parse-crashes", "1000"}, args...) // the kills come from outside
	f.processes = append(f.processes, p)
	return p
}

func (f *fleet) part(p *process, often int) part {
	return part{name: p.name, often: often, kill: func() { f.kill(p) }, revive: func() { f.launch(p); f.await(p) }}
}

// api is the process that clients speak to: the first.
func (f *fleet) api() string { return f.processes[0].address }

func (f *fleet) start() {
	f.t.Helper()
	f.t.Cleanup(func() {
		for _, p := range f.processes {
			f.kill(p)
		}
		if f.t.Failed() && *chaosLog != "" {
			if err := os.Rename(filepath.Join(f.dir, "log"), *chaosLog); err != nil {
				f.t.Log(err)
			}
		}
	})
	for _, p := range f.processes {
		f.launch(p)
		f.await(p)
	}
}

func (f *fleet) launch(p *process) {
	f.t.Helper()
	log, err := os.OpenFile(filepath.Join(f.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	defer log.Close()
	p.cmd, p.ended = exec.Command(f.binary, p.args...), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(p.cmd, p.ended)
}

// await waits until a process has started.
func (f *fleet) await(p *process) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		response, err := http.Get("http://" + p.address + p.awaits)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) || p.hasEnded() {
			f.t.Fatalf("%s does not start (ended: %v): %v\n%s", p.name, p.hasEnded(), err, f.logTail())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (f *fleet) kill(p *process) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// killLite kills the embedded Milvus, which its server then starts again.
func (f *fleet) killLite() {
	raw, err := os.ReadFile(filepath.Join(f.dir, "data", "milvus", "milvus-lite.pid"))
	if err != nil {
		return // it is being started
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// strike kills one part, and where several processes run, now and then two at once, and brings them back.
func (f *fleet) strike(random *rand.Rand) {
	f.t.Helper()
	victims := map[string]bool{f.draw(random): true}
	if len(f.processes) > 1 && random.IntN(4) == 0 {
		victims[f.draw(random)] = true
	}
	for _, p := range f.parts {
		if victims[p.name] {
			p.kill()
			f.kills[p.name]++
		}
	}
	for _, p := range f.parts {
		if victims[p.name] {
			p.revive()
		}
	}
}

func (f *fleet) draw(random *rand.Rand) string {
	var lots []string
	for _, p := range f.parts {
		lots = append(lots, slices.Repeat([]string{p.name}, p.often)...)
	}
	return lots[random.IntN(len(lots))]
}

// ended names the processes of redkite that ended though nobody killed them. A Milvus server may: its launcher gives
// ports away that are not free any more. Then it is started again.
func (f *fleet) ended() []string {
	if f.vectors != nil && f.vectors.Ended() {
		f.vectors.Launch()
	}
	var names []string
	for _, p := range f.processes {
		if p.hasEnded() {
			names = append(names, p.name)
		}
	}
	return names
}

// logTail is the end of what the processes logged.
func (f *fleet) logTail() string {
	raw, err := os.ReadFile(filepath.Join(f.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-6000):])
}
