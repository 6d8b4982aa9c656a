package httpapi

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redkite/redkite/internal/archive"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// depot is a fake of the catalog and the blobs under a real intake: one tenant's batches.
type depot struct {
	mu       sync.Mutex
	blobs    map[string]string
	batches  map[rag.BatchID]rag.Batch
	entries  map[rag.BatchID][]ingest.Entry
	steps    []int // entries of each transaction
	callback *rag.Callback
	putErr   error // of the second transaction
	asked    int   // how often for a batch
}

func (d *depot) Put(_ context.Context, key string, r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blobs[key] = string(raw)
	return nil
}

func (d *depot) Open(context.Context, string) (io.ReadSeekCloser, int64, error) {
	return nil, 0, errors.New("not asked for")
}

func (d *depot) Delete(_ context.Context, key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.blobs, key)
	return nil
}

func (d *depot) NewBatch(_ context.Context, _ rag.Collection, callback *rag.Callback) (rag.BatchID, error) {
	id := rag.BatchID(len(d.batches) + 1)
	d.batches[id], d.callback = rag.Batch{ID: id, Name: "c", State: rag.BatchReceiving}, callback
	return id, nil
}

func (d *depot) PutEntries(_ context.Context, id rag.BatchID, entries []ingest.Entry) ([]bool, error) {
	if d.putErr != nil && len(d.steps) > 0 {
		return nil, d.putErr
	}
	d.steps = append(d.steps, len(entries))
	d.entries[id] = append(d.entries[id], entries...)
	kept := make([]bool, len(entries))
	b := d.batches[id]
	for i, e := range entries {
		if kept[i] = e.Refused == nil; kept[i] {
			b.Counts.Succeeded++
		} else {
			b.Counts.Refused++
		}
	}
	d.batches[id] = b
	return kept, nil
}

func (d *depot) RenewBatch(context.Context, rag.BatchID) error { return nil }

func (d *depot) SealBatch(_ context.Context, id rag.BatchID, broken *rag.Failure) error {
	b := d.batches[id]
	now := time.Unix(1_800_000_000, 0)
	b.State, b.Error, b.ReceivedAt, b.EndedAt = rag.BatchEnded, broken, &now, &now
	d.batches[id] = b
	return nil
}

func (d *depot) Batch(_ context.Context, tenant string, id rag.BatchID) (rag.Batch, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.batches[id]
	if !ok || tenant != rag.DefaultTenant {
		return rag.Batch{}, rag.NotFound("there is no batch %d", id)
	}
	if d.asked++; id == 99 { // one file ends each time
		b.Counts = rag.BatchCounts{Running: max(0, 3-d.asked), Succeeded: min(3, d.asked)}
		b.Rate = float64(d.asked)
		if d.asked > 3 {
			now := time.Unix(1_800_000_000, 0)
			b.State, b.EndedAt, b.Rate = rag.BatchEnded, &now, 0
		}
	}
	return b, nil
}

func (d *depot) Batches(_ context.Context, tenant string, c rag.CollectionID, before rag.BatchID, limit int) ([]rag.Batch, error) {
	return []rag.Batch{{ID: 9, Name: fmt.Sprint(tenant, c, before)}, {ID: 8}}[:min(2, limit)], nil
}

func (d *depot) RefusedEntries(_ context.Context, _ string, id rag.BatchID, after, limit int) (page []rag.RefusedEntry, _ error) {
	for i, e := range d.entries[id] {
		if e.Refused != nil && i+1 > after && len(page) < limit {
			page = append(page, rag.RefusedEntry{Number: i + 1, Path: e.Path, Error: *e.Refused})
		}
	}
	return page, nil
}

func (d *depot) WaitBatch(ctx context.Context, tenant string, id rag.BatchID) (rag.Batch, error) {
	return d.Batch(ctx, tenant, id)
}

func (d *depot) CancelBatch(ctx context.Context, tenant string, id rag.BatchID) (rag.Batch, error) {
	b, err := d.Batch(ctx, tenant, id)
	if b.State == rag.BatchEnded {
		return b, &rag.Problem{Kind: rag.ErrConflict, Code: "batch_over", Message: "it has ended"}
	}
	b.State = rag.BatchCanceled
	return b, err
}

func (d *depot) Check(c rag.Callback) error {
	if !strings.HasPrefix(c.URL, "https://") {
		return rag.Invalid("/callback_url", "callback_url begins with https://")
	}
	return nil
}

func (d *depot) texts(id rag.BatchID) map[string]string {
	texts := map[string]string{}
	for _, e := range d.entries[id] {
		if e.Refused != nil {
			texts[e.Path] = "refused: " + e.Refused.Code
		} else {
			texts[e.Path] = d.blobs[e.Staged.Blob]
		}
	}
	return texts
}

func newDepot(t *testing.T) (*Server, *depot) {
	t.Helper()
	d := &depot{blobs: map[string]string{}, batches: map[rag.BatchID]rag.Batch{}, entries: map[rag.BatchID][]ingest.Entry{}}
	keys := 0
	s := newServer(t, &world{})
	s.deps.Batches, s.deps.Callbacks = d, d
	s.deps.BatchIntake = &ingest.Intake{
		Blobs: d, Batches: d, MaxBytes: 1 << 20,
		NewKey: func() string { keys++; return fmt.Sprint("blob", keys) },
		Sniff: func(_ string, head []byte) (string, bool) {
			return "application/zip", !bytes.HasPrefix(head, []byte("PK"))
		},
		Check: func([]rag.Field, rag.Metadata) error { return nil },
	}
	s.options.Archives = archive.Limits{Size: 64 << 20, Bytes: 64 << 20, Ratio: 200, Folder: t.TempDir()}
	s.pace.poll = time.Millisecond
	return s, d
}

const batches = "/api/v1/collections/c/batches"

// part is a part of a form: a field, or a file where it has a name.
type part struct{ field, file, text string }

func formOf(t *testing.T, parts ...part) (body, mediaType string) {
	t.Helper()
	var b strings.Builder
	form := multipart.NewWriter(&b)
	for _, p := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", p.field)}}
		if p.file != "" {
			header.Set("Content-Disposition", fmt.Sprintf(`form-data; name=%q; filename="%s"`, p.field, p.file))
		}
		w, err := form.CreatePart(header)
		if err == nil {
			_, err = io.WriteString(w, p.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), form.FormDataContentType()
}

func send(t *testing.T, s *Server, query, body, mediaType string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(s, "POST", batches+query, body, func(r *http.Request) { r.Header.Set("Content-Type", mediaType) })
}

func zipped(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for path, text := range files {
		f, err := w.Create(path)
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
