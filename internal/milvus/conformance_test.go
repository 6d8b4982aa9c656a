package milvus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/rag"
)

// program finds a server's program: the variable, else below .deps. A missing one fails the test.
func program(t *testing.T, variable, path string) string {
	t.Helper()
	if set := os.Getenv(variable); set != "" {
		return set
	}
	full, err := filepath.Abs(filepath.Join("../..", path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(full); err != nil {
		t.Fatalf("%s is missing: run 'make deps deps-test' first", path)
	}
	return full
}

func startLite(t *testing.T, dir string) *Lite {
	t.Helper()
	lite, err := StartLite(t.Context(), LiteConfig{Command: program(t, "REDKITE_MILVUS_LITE_COMMAND", ".deps/milvus-lite/bin/milvus-lite"), DataDir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lite.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return lite
}

// startServer runs the real standalone server of the Python package milvus and gives its address.
func startServer(t *testing.T) string {
	t.Helper()
	command := program(t, "REDKITE_TEST_MILVUS_SERVER", ".deps/milvus-server/bin/milvus-server")
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(command, "--data", filepath.Join(dir, "data"), "--proxy-port", strconv.Itoa(port))
	server.Stdout, server.Stderr = log, log
	server.SysProcAttr = childAttributes()
	defer holdThread() // never released: the server ends with this thread, which ends with the test
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-server.Process.Pid, syscall.SIGTERM)
		ended := make(chan struct{})
		go func() { _ = server.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
		}
		_ = syscall.Kill(-server.Process.Pid, syscall.SIGKILL)
	})
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func newClient(t *testing.T, address string) *Client {
	t.Helper()
	c := New(Config{Address: func() string { return address }, Timeout: 30 * time.Second}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestLiteConforms(t *testing.T) {
	lite := startLite(t, t.TempDir())
	conform(t, newClient(t, lite.Address()))
}

func TestServerConforms(t *testing.T) {
	address := startServer(t)
	c := newClient(t, address)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		h, err := c.Ping(t.Context())
		if err == nil {
			if h.Lite || h.Sparse {
				t.Errorf("a 2.3 server is taken for %+v", h)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer: %v", err)
		}
	}
	conform(t, c)
}

func generation(id rag.CollectionID, fields ...rag.Field) Generation {
	return Generation{Collection: id, Number: 1, Dimension: 8, Fields: fields}
}

// unit is a unit vector at an angle, so that the cosine of two is that of the angle between them.
func unit(degrees float64) rag.Embedding {
	v := make(rag.Embedding, 8)
	v[0], v[1] = float32(math.Cos(degrees*math.Pi/180)), float32(math.Sin(degrees*math.Pi/180))
	return v
}

func ids(found []rag.Candidate) []rag.ChunkID {
	var out []rag.ChunkID
	for _, f := range found {
		out = append(out, f.Chunk)
	}
	return out
}

// conform is what redkite needs of any Milvus.
func conform(t *testing.T, c *Client) {
	t.Run("search gives cosines, best first", func(t *testing.T) { testSearch(t, c) })
	t.Run("upsert replaces and delete removes", func(t *testing.T) { testWrite(t, c) })
	t.Run("two may ensure at once", func(t *testing.T) { testEnsure(t, c) })
	t.Run("filters mean what rag says", func(t *testing.T) { testFilters(t, c) })
	t.Run("many rows", func(t *testing.T) { testMany(t, c) })
}

func fill(t *testing.T, c *Client, g Generation, rows ...Row) {
	t.Helper()
	if err := c.Ensure(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := c.Upsert(t.Context(), g, rows); err != nil {
		t.Fatal(err)
	}
	var all []rag.ChunkID
	for _, row := range rows {
		all = append(all, row.Chunk)
	}
	if err := c.Visible(t.Context(), g, all); err != nil {
		t.Fatal(err)
	}
}

func testSearch(t *testing.T, c *Client) {
	g := generation(101)
	if found, err := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: 5}); err != nil || len(found) != 0 {
		t.Errorf("before the collection exists: %v, %v", found, err)
	}
	fill(t, c, g, Row{Chunk: 1, Document: 1, Dense: unit(0)}, Row{Chunk: 2, Document: 1, Dense: unit(60)}, Row{Chunk: 3, Document: 2, Dense: unit(180)})
	found, err := c.Search(t.Context(), g, Search{Vector: unit(10), Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]rag.ChunkID{1, 2, 3}, ids(found)); diff != "" {
		t.Fatal(diff)
	}
	for i, degrees := range []float64{10, 50, 170} {
		if want := math.Cos(degrees * math.Pi / 180); math.Abs(float64(found[i].Score)-want) > 1e-4 {
			t.Errorf("chunk %d: score %v, want %v", found[i].Chunk, found[i].Score, want)
		}
	}
	if found, err = c.Search(t.Context(), g, Search{Vector: unit(10), Limit: 1}); err != nil || len(found) != 1 {
		t.Errorf("limit 1: %v, %v", found, err)
	}
}

func testWrite(t *testing.T, c *Client) {
	ctx, g := t.Context(), generation(102)
	fill(t, c, g, Row{Chunk: 1, Document: 1, Dense: unit(0)}, Row{Chunk: 2, Document: 1, Dense: unit(30)}, Row{Chunk: 3, Document: 2, Dense: unit(60)})
	fill(t, c, g, Row{Chunk: 1, Document: 1, Dense: unit(90)}) // again, elsewhere
	if n, err := c.Count(ctx, g); err != nil || n != 3 {
		t.Errorf("after an upsert of the same id: %d rows, %v", n, err)
	}
	found, err := c.Search(ctx, g, Search{Vector: unit(90), Limit: 1})
	if err != nil || len(found) != 1 || found[0].Chunk != 1 {
		t.Errorf("after an upsert: %v, %v", found, err)
	}
	if err := c.Delete(ctx, g, []rag.ChunkID{2, 999}); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteDocument(ctx, g, 2); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count(ctx, g); err != nil || n != 1 {
		t.Errorf("after deletes: %d rows, %v", n, err)
	}
	if err := c.Drop(ctx, g); err != nil {
		t.Fatal(err)
	}
	if err := c.Drop(ctx, g); err != nil {
		t.Errorf("a second drop: %v", err)
	}
	if err := c.Delete(ctx, g, []rag.ChunkID{1}); err != nil {
		t.Errorf("delete from a dropped collection: %v", err)
	}
	if found, err := c.Search(ctx, g, Search{Vector: unit(0), Limit: 1}); err != nil || len(found) != 0 {
		t.Errorf("search of a dropped collection: %v, %v", found, err)
	}
	fill(t, c, g, Row{Chunk: 7, Document: 7, Dense: unit(0)}) // and it can be made again
}

func testEnsure(t *testing.T, c *Client) {
	g := generation(103, rag.Field{Name: "year", Type: rag.FieldInt})
	other := newClient(t, c.cfg.Address())
	var wg sync.WaitGroup
	for _, each := range []*Client{c, other, c, other} {
		wg.Go(func() {
			if err := each.Ensure(t.Context(), g); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	g.Dimension = 16
	if err := newClient(t, c.cfg.Address()).Ensure(t.Context(), g); err == nil {
		t.Error("a collection of another dimension was taken for ours")
	}
}

// documents of the filter test, by chunk id.
func filterRows() map[rag.ChunkID]rag.Metadata {
	odd := "it's \"quoted\" \\ back\nline 100% κίτε 鳶 🪁"
	return map[rag.ChunkID]rag.Metadata{
		1: {"year": 2020.0, "score": 0.5, "open": true, "lang": "en", "tags": []any{"a", "b"}, "n": 5.0, "s": "x", "b": true, "list": []any{"p", "q"}},
		2: {"year": 1999.0, "score": -2.5, "open": false, "lang": "de", "tags": []any{"c"}, "n": "5", "s": odd, "b": false, "list": []any{odd}},
		3: {"lang": odd, "n": -1.5},
		4: {"year": 0.0, "score": 0.0, "lang": "", "tags": []any{}, "n": 0.0, "s": "", "list": []any{}},
		5: {},
	}
}

func testFilters(t *testing.T, c *Client) {
	g := generation(104, rag.Field{Name: "year", Type: rag.FieldInt}, rag.Field{Name: "score", Type: rag.FieldFloat},
		rag.Field{Name: "open", Type: rag.FieldBool}, rag.Field{Name: "lang", Type: rag.FieldString}, rag.Field{Name: "tags", Type: rag.FieldStrings})
	odd, err := json.Marshal(filterRows()[2]["s"])
	if err != nil {
		t.Fatal(err)
	}
	var rows []Row
	for id, m := range filterRows() {
		rows = append(rows, Row{Chunk: id, Document: 1, Metadata: m, Dense: unit(float64(id))})
	}
	fill(t, c, g, rows...)
	tests := []struct {
		filter string
		want   []rag.ChunkID
	}{
		{`{"type":"eq","key":"year","value":1999}`, []rag.ChunkID{2}},
		{`{"type":"ne","key":"year","value":1999}`, []rag.ChunkID{1, 3, 4, 5}},
		{`{"type":"lt","key":"year","value":2000}`, []rag.ChunkID{2, 4}},
		{`{"type":"gte","key":"year","value":0}`, []rag.ChunkID{1, 2, 4}},
		{`{"type":"in","key":"year","value":[0,2020]}`, []rag.ChunkID{1, 4}},
		{`{"type":"nin","key":"year","value":[0,2020]}`, []rag.ChunkID{2, 3, 5}},
		{`{"type":"exists","key":"year"}`, []rag.ChunkID{1, 2, 4}},
		{`{"type":"not","filters":[{"type":"exists","key":"year"}]}`, []rag.ChunkID{3, 5}},
		{`{"type":"not","filters":[{"type":"lt","key":"year","value":2000}]}`, []rag.ChunkID{1, 3, 5}},
		{`{"type":"lte","key":"score","value":0}`, []rag.ChunkID{2, 4}},
		{`{"type":"gt","key":"score","value":-3}`, []rag.ChunkID{1, 2, 4}},
		{`{"type":"eq","key":"open","value":false}`, []rag.ChunkID{2}},
		{`{"type":"ne","key":"open","value":false}`, []rag.ChunkID{1, 3, 4, 5}},
		{`{"type":"eq","key":"lang","value":""}`, []rag.ChunkID{4}},
		{`{"type":"eq","key":"lang","value":` + string(odd) + `}`, []rag.ChunkID{3}},
		{`{"type":"gt","key":"lang","value":"dz"}`, []rag.ChunkID{1, 3}},
		{`{"type":"contains_any","key":"tags","value":["b","c"]}`, []rag.ChunkID{1, 2}},
		{`{"type":"exists","key":"tags"}`, []rag.ChunkID{1, 2}},
		{`{"type":"and","filters":[{"type":"gt","key":"year","value":1},{"type":"eq","key":"lang","value":"en"}]}`, []rag.ChunkID{1}},
		{`{"type":"or","filters":[{"type":"eq","key":"lang","value":"de"},{"type":"eq","key":"lang","value":"en"}]}`, []rag.ChunkID{1, 2}},
		// Undeclared keys, read from the JSON column; "n" holds numbers and a string.
		{`{"type":"eq","key":"n","value":5}`, []rag.ChunkID{1}},
		{`{"type":"eq","key":"n","value":"5"}`, []rag.ChunkID{2}},
		{`{"type":"ne","key":"n","value":5}`, []rag.ChunkID{2, 3, 4, 5}},
		{`{"type":"gt","key":"n","value":-1}`, []rag.ChunkID{1, 4}},
		{`{"type":"lt","key":"n","value":0}`, []rag.ChunkID{3}},
		{`{"type":"in","key":"n","value":[0,5]}`, []rag.ChunkID{1, 4}},
		{`{"type":"nin","key":"n","value":[0,5]}`, []rag.ChunkID{2, 3, 5}},
		{`{"type":"exists","key":"n"}`, []rag.ChunkID{1, 2, 3, 4}},
		{`{"type":"not","filters":[{"type":"exists","key":"n"}]}`, []rag.ChunkID{5}},
		{`{"type":"eq","key":"s","value":` + string(odd) + `}`, []rag.ChunkID{2}},
		{`{"type":"eq","key":"s","value":""}`, []rag.ChunkID{4}},
		{`{"type":"in","key":"s","value":["x",` + string(odd) + `]}`, []rag.ChunkID{1, 2}},
		{`{"type":"eq","key":"b","value":true}`, []rag.ChunkID{1}},
		{`{"type":"contains_any","key":"list","value":["q",` + string(odd) + `]}`, []rag.ChunkID{1, 2}},
		{`{"type":"eq","key":"nowhere","value":1}`, nil},
		{`{"type":"ne","key":"nowhere","value":1}`, []rag.ChunkID{1, 2, 3, 4, 5}},
	}
	for _, test := range tests {
		f, err := rag.ParseFilter([]byte(test.filter), "/filter")
		if err != nil {
			t.Fatalf("%s: %v", test.filter, err)
		}
		found, err := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: 10, Filter: f})
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		got := ids(found)
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			expression, _ := compile(f, g.Fields, c.isLite())
			t.Errorf("%s = %s: got %v, want %v", test.filter, expression, got, test.want)
		}
	}
}

func testMany(t *testing.T, c *Client) {
	g := generation(105)
	var rows []Row
	for i := range 2500 {
		rows = append(rows, Row{Chunk: rag.ChunkID(i + 1), Document: rag.DocumentID(i % 10), Dense: unit(float64(i) * 360 / 2500)})
	}
	fill(t, c, g, rows...)
	found, err := c.Search(t.Context(), g, Search{Vector: unit(0), Limit: 500})
	if err != nil || len(found) != 500 {
		t.Fatalf("got %d candidates, %v", len(found), err)
	}
	if err := c.DeleteDocument(t.Context(), g, 3); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count(t.Context(), g); err != nil || n != 2250 {
		t.Errorf("%d rows are left, %v", n, err)
	}
}

func TestAwayAndBack(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Address: func() string { return fmt.Sprintf("127.0.0.1:%d", port) }, Timeout: time.Second}, slog.New(slog.DiscardHandler))
	defer c.Close()
	began := time.Now()
	_, err = c.Search(t.Context(), generation(1), Search{Vector: unit(0), Limit: 1})
	var problem *rag.Problem
	if !errors.As(err, &problem) || !errors.Is(err, rag.ErrUnavailable) || problem.RetryAfter == 0 {
		t.Errorf("nobody listens: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s to notice", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled call: %v", err)
	}
}

func TestLiteComesBackWithItsRows(t *testing.T) {
	lite := startLite(t, t.TempDir())
	c, g := newClient(t, lite.Address()), generation(1)
	fill(t, c, g, Row{Chunk: 1, Document: 1, Dense: unit(0)}, Row{Chunk: 2, Document: 1, Dense: unit(90)})
	pid := lite.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		n, err := c.Count(t.Context(), g)
		if err == nil && lite.PID() != pid {
			if n != 2 {
				t.Errorf("%d rows are left of 2", n)
			}
			break
		}
		if err != nil && !errors.Is(err, rag.ErrUnavailable) {
			t.Errorf("while it was away: %v", err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not back: %v", err)
		}
	}
	if found, err := c.Search(t.Context(), g, Search{Vector: unit(80), Limit: 1}); err != nil || len(found) != 1 || found[0].Chunk != 2 {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestLiteFolderIsServedOnce(t *testing.T) {
	dir := t.TempDir()
	lite := startLite(t, dir)
	_, err := StartLite(t.Context(), lite.cfg, slog.New(slog.DiscardHandler))
	if !errors.Is(err, rag.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if _, err := StartLite(t.Context(), LiteConfig{Command: "/nowhere/milvus-lite", DataDir: t.TempDir()}, slog.New(slog.DiscardHandler)); !errors.Is(err, rag.ErrNotFound) {
		t.Errorf("a missing program: %v", err)
	}
}
