package catalog

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// fresh makes an empty catalog with a job on a document in it.
func fresh(t *testing.T) (*Catalog, rag.Job) {
	t.Helper()
	c, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "catalog.db")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	collection, err := c.CreateCollection(t.Context(), rag.Collection{Tenant: "t", Name: "docs"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.PutDocument(t.Context(), collection.ID, ingest.Staged{Blob: "b"})
	if err != nil {
		t.Fatal(err)
	}
	return c, a.Job
}

// TestEveryJobMove tries every change of a job's state, allowed or not.
func TestEveryJobMove(t *testing.T) {
	c, job := fresh(t)
	for _, from := range jobStates() {
		for _, to := range jobStates() {
			job.State = from
			var is rag.JobState
			err := c.inTx(t.Context(), "move", func(tx *transaction) error {
				if _, err := tx.ExecContext(t.Context(), `UPDATE jobs SET state = ? WHERE id = ?`, from, job.ID); err != nil {
					return err
				}
				moved := moveJob(t.Context(), tx, job, to, &rag.Failure{Code: "c"}, `done = done + ?`, 1)
				if err := tx.QueryRowContext(t.Context(), `SELECT state FROM jobs WHERE id = ?`, job.ID).Scan(&is); err != nil {
					return err
				}
				return moved
			})
			allowed := slices.Contains(jobMoves(from), to)
			if allowed != (err == nil) || !allowed && !errors.Is(err, errMove) || allowed && is != to || !allowed && is != from {
				t.Errorf("%s to %s: allowed %v, got %v, is %s", from, to, allowed, err, is)
			}
		}
	}
}

// TestEveryVersionMove tries every change of a version's state, alone and with its job.
func TestEveryVersionMove(t *testing.T) {
	c, job := fresh(t)
	set := func(tx *transaction, state rag.Status) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE versions SET state = ? WHERE document_id = ?`, state, job.Document)
		return err
	}
	get := func(tx *transaction) (state rag.Status, err error) {
		err = tx.QueryRowContext(t.Context(), `SELECT state FROM versions WHERE document_id = ?`, job.Document).Scan(&state)
		return state, err
	}
	follows := map[rag.JobState]rag.Status{
		rag.JobQueued: rag.StatusQueued, rag.JobRunning: rag.StatusQueued, rag.JobRetrying: rag.StatusQueued,
		rag.JobFailed: rag.StatusFailed, rag.JobCanceled: rag.StatusCanceled,
	}
	for _, from := range versionStates() {
		for _, to := range versionStates() {
			allowed := slices.Contains(versionMoves(from), to)
			err := c.inTx(t.Context(), "move", func(tx *transaction) error {
				if err := set(tx, from); err != nil {
					return err
				}
				moved := moveVersion(t.Context(), tx, job, to)
				if is, err := get(tx); err != nil || moved == nil && is != to || moved != nil && is != from {
					t.Errorf("%s to %s: is %s (%v)", from, to, is, err)
				}
				return moved
			})
			if (allowed || from == to) != (err == nil) || err != nil && !errors.Is(err, errMove) {
				t.Errorf("%s to %s: allowed %v, got %v", from, to, allowed, err)
			}
		}
		for _, to := range jobStates() {
			err := c.inTx(t.Context(), "follow", func(tx *transaction) error {
				err := errors.Join(set(tx, from), follow(t.Context(), tx, job, to, &rag.Failure{Code: "c", Message: "m"}))
				want := from
				if status, ok := follows[to]; ok && slices.Contains(versionMoves(from), status) {
					want = status
				}
				is, read := get(tx)
				if is != want {
					t.Errorf("a version that is %s, its job going to %s: is %s, want %s", from, to, is, want)
				}
				return errors.Join(err, read)
			})
			if err != nil {
				t.Errorf("%s with its job to %s: %v", from, to, err)
			}
		}
	}
}

// TestStatesAreWrittenInOnePlace reads this package's own statements: none outside states.go changes a state, and rows
// are made in one place each.
func TestStatesAreWrittenInOnePlace(t *testing.T) {
	change := regexp.MustCompile(`(?is)UPDATE\s+(jobs|versions)\s+SET\s.*?\bstate\s*=.*?(WHERE|$)`)
	birth := regexp.MustCompile(`(?is)INSERT\s+INTO\s+(jobs|versions)\b`)
	changes, births := 0, map[string]int{}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			text, ok := n.(*ast.BasicLit)
			if !ok || text.Kind != token.STRING {
				return true
			}
			for _, found := range change.FindAllString(text.Value, -1) {
				before, _, _ := strings.Cut(strings.ToUpper(found), "WHERE")
				if !strings.Contains(before, "STATE =") {
					continue // a condition
				}
				if changes++; name != "states.go" {
					t.Errorf("%s changes a state by itself: %s", name, found)
				}
			}
			for _, found := range birth.FindAllStringSubmatch(text.Value, -1) {
				births[strings.ToLower(found[1])]++
			}
			return true
		})
	}
	if diff := cmp.Diff(map[string]int{"jobs": 1, "versions": 1}, births); diff != "" {
		t.Errorf("statements that make rows (-want +got):\n%s", diff)
	}
	if changes != 5 { // moveJob, updateVersion, cancelJobs, cancelVersions, supersedeVersions
		t.Errorf("%d statements change states; if that is meant, say so here", changes)
	}
}

// TestDiagramsShowTheMoves compares the two diagrams of docs/ingestion.md with what is enforced. A document moves as its
// newest version does; and an upload makes it a version, and a deletion takes it away, in any state.
func TestDiagramsShowTheMoves(t *testing.T) {
	text, err := os.ReadFile("../../docs/ingestion.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the documents are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	diagrams := regexp.MustCompile("(?s)```mermaid\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(diagrams) < 2 {
		t.Fatalf("%d diagrams", len(diagrams))
	}
	var documents, jobs []string
	pending := []rag.Status{rag.StatusQueued, rag.StatusParsing, rag.StatusEmbedding, rag.StatusIndexing}
	for _, from := range versionStates() {
		if from == stateSuperseded {
			continue
		}
		moves := versionMoves(from)
		if !slices.Contains(pending, from) { // an upload makes a version
			moves = append(slices.DeleteFunc(moves, func(s rag.Status) bool { return s == rag.StatusQueued }), rag.StatusQueued)
		}
		for _, to := range append(moves, rag.StatusDeleting) {
			if to != stateSuperseded {
				documents = append(documents, string(from)+" --> "+string(to))
			}
		}
	}
	for _, from := range jobStates() {
		for _, to := range jobMoves(from) {
			jobs = append(jobs, string(from)+" --> "+string(to))
		}
	}
	for i, want := range [][]string{documents, jobs} {
		got := edges(diagrams[i][1])
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("diagram %d (-enforced +drawn):\n%s", i+1, diff)
		}
	}
}

// edges lists a diagram's moves between states; those of a group are those of each state in it.
func edges(diagram string) []string {
	line := regexp.MustCompile(`^\s*([\w\[\]*]+) --> ([\w\[\]*]+)`)
	groups, group := map[string][]string{}, ""
	var all [][2]string
	for _, text := range strings.Split(diagram, "\n") {
		if open := regexp.MustCompile(`state (\w+) \{`).FindStringSubmatch(text); open != nil {
			group = open[1]
		} else if strings.TrimSpace(text) == "}" {
			group = ""
		}
		edge := line.FindStringSubmatch(text)
		if edge == nil || edge[1] == "[*]" || edge[2] == "[*]" {
			continue
		}
		all = append(all, [2]string{edge[1], edge[2]})
		for _, state := range edge[1:3] {
			if group != "" && !slices.Contains(groups[group], state) {
				groups[group] = append(groups[group], state)
			}
		}
	}
	var out []string
	for _, edge := range all {
		froms := []string{edge[0]}
		if members, ok := groups[edge[0]]; ok {
			froms = members
		}
		for _, from := range froms {
			out = append(out, from+" --> "+edge[1])
		}
	}
	slices.Sort(out)
	return out
}

// TestDeadOwnersWorkResumesInTime adds up how long the work of a process that died lies still, on another host.
func TestDeadOwnersWorkResumesInTime(t *testing.T) {
	q := QueueConfig{}.withDefaults()
	if worst := q.Lease + q.Reap + q.Poll; worst > 30*time.Second {
		t.Errorf("up to %s", worst)
	}
	if q.Watch > time.Second {
		t.Errorf("a handler learns only after %s that its job was canceled", q.Watch)
	}
}

// TestVersionOfAnEarlierRelease claims a job whose version is in work although the job waits, as earlier releases left
// them.
func TestVersionOfAnEarlierRelease(t *testing.T) {
	c, job := fresh(t)
	if _, err := c.write.ExecContext(t.Context(), `UPDATE versions SET state = 'embedding'`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() {
		done <- c.Run(running, func(ctx context.Context, claim rag.Claim, _ rag.Job) error {
			var err error
			for _, stage := range []rag.Stage{rag.StageParse, rag.StageEmbed, rag.StagePublish} {
				err = errors.Join(err, c.SetStage(ctx, claim, stage))
			}
			return errors.Join(err, c.EndChunks(ctx, claim, ingest.Cut{}), c.Publish(ctx, claim))
		}, 1)
	}()
	if j, err := c.WaitJob(ctx, "t", job.ID); err != nil || j.State != rag.JobSucceeded || j.Attempts != 1 {
		t.Errorf("%v %+v", err, j)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
