package httpapi

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

func TestBatchOfFilesAndArchives(t *testing.T) {
	s, d := newDepot(t)
	inner := zipped(t, map[string]string{"x": "x"})
	body, mediaType := formOf(t,
		part{"callback_url", "", "https://example.com/x"}, part{"callback_secret", "", "s3cret"}, part{"metadata", "", `{"year":2026}`},
		part{"file", "sub/a.txt", "A"}, part{"file", "empty.txt", ""}, part{"file", "../up.txt", "p"}, part{"file", ".hidden", "h"}, part{"file", "sub/a.txt", "again"},
		part{"archive", "one.zip", zipped(t, map[string]string{"z/b.txt": "B", "in.zip": inner, "__MACOSX/z": "m"})},
		part{"on_duplicate", "", "skip"}, part{"archive", "bad.zip", "no archive"}, part{"file", "last.txt", "L"},
	)
	answer := send(t, s, "?wait=1s", body, mediaType)
	var got api.Batch
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != 200 || answer.Header().Get("Location") != "/api/v1/batches/1" {
		t.Fatalf("%d, %v: %s", answer.Code, err, answer.Body)
	}
	want := map[string]string{
		"sub/a.txt": "refused: duplicate_entry", "empty.txt": "refused: empty_file", "../up.txt": "refused: bad_path",
		".hidden": "h", "z/b.txt": "B", "in.zip": "refused: unsupported", "bad.zip": "refused: unsupported_archive", "last.txt": "L",
	}
	if diff := cmp.Diff(want, d.texts(1)); diff != "" {
		t.Errorf("entries: %s", diff)
	}
	if got.State != "ended" || got.Total != 9 || got.Done != 9 || got.Counts.Refused != 5 || len(got.Refused) != 5 {
		t.Errorf("got %+v", got)
	}
	if first, last := d.entries[1][0].Staged.Upload, d.entries[1][8].Staged.Upload; first.ExternalID != "sub/a.txt" || first.Filename != "a.txt" || first.Metadata["year"] != 2026.0 ||
		first.OnDuplicate != "replace" || last.OnDuplicate != "skip" {
		t.Errorf("first %+v, last %+v", first, last)
	}
	if d.callback.URL != "https://example.com/x" || d.callback.Secret != "s3cret" || strings.Contains(answer.Body.String(), "s3cret") {
		t.Errorf("callback %+v: %s", d.callback, answer.Body)
	}
	if len(d.blobs) != 4 {
		t.Errorf("blobs %v: what is refused leaves none", d.blobs)
	}
	page := ask(s, "GET", "/api/v1/batches/1?refused_limit=2&refused_after=2", "", nil)
	if err := json.Unmarshal(page.Body.Bytes(), &got); err != nil || len(got.Refused) != 2 || got.Refused[0].Number != 3 || got.RefusedNext != 5 {
		t.Errorf("a page: %s", page.Body)
	}
}

func TestBareArchives(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range 250 {
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: fmt.Sprintf("d/%d.txt", i), Size: 1, Mode: 0o644}), second(w.Write([]byte("x")))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for mediaType, raw := range map[string]string{"application/x-tar": b.String(), "application/zip": zipped(t, map[string]string{"a": "A"})} {
		s, d := newDepot(t)
		answer := send(t, s, "", raw, mediaType)
		if answer.Code != 200 || mediaType == "application/x-tar" && cmp.Diff([]int{100, 100, 50}, d.steps) != "" {
			t.Errorf("%s: %d in steps %v: %s", mediaType, answer.Code, d.steps, answer.Body)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestBatchesThatAreRefused(t *testing.T) {
	bare := zipped(t, map[string]string{"a": "A"})
	form := func(parts ...part) [2]string {
		body, mediaType := formOf(t, parts...)
		return [2]string{body, mediaType}
	}
	tests := map[string]struct {
		query  string
		sent   [2]string
		status int
		code   string
	}{
		"no file":                {"", form(part{"on_duplicate", "", "skip"}), 400, "invalid"},
		"hidden files alone":     {"", [2]string{zipped(t, map[string]string{".a": "x"}), "application/zip"}, 400, "invalid"},
		"a field that is none":   {"", form(part{"colour", "", "red"}), 400, "invalid"},
		"a file field not known": {"", form(part{"upload", "a.txt", "x"}), 400, "invalid"},
		"metadata":               {"", form(part{"metadata", "", "[]"}), 400, "invalid"},
		"on_duplicate":           {"?on_duplicate=never", form(part{"file", "a", "x"}), 400, "invalid"},
		"wait":                   {"?wait=soon", form(part{"file", "a", "x"}), 400, "invalid"},
		"a callback to nowhere":  {"?callback_url=http://x", form(part{"file", "a", "x"}), 400, "invalid"},
		"a secret alone":         {"", form(part{"callback_secret", "", "x"}, part{"file", "a", "x"}), 400, "invalid"},
		"a late callback":        {"", form(part{"file", "a", "x"}, part{"callback_url", "", "https://x"}), 400, "invalid"},
		"bare: a callback":       {"?callback_url=http://x", [2]string{bare, "application/zip"}, 400, "invalid"},
		"JSON":                   {"", [2]string{"{}", "application/json"}, 415, "unsupported_media_type"},
		"no archive":             {"", [2]string{"text", "application/zip"}, 415, "unsupported_archive"},
		"an archive cut":         {"", [2]string{bare[:40], "application/zip"}, 400, "damaged_archive"},
		"a form cut":             {"", [2]string{form(part{"file", "a", "xxxx"})[0][:120], form()[1]}, 400, ""},
	}
	for name, test := range tests {
		s, d := newDepot(t)
		answer := send(t, s, test.query, test.sent[0], test.sent[1])
		if p := problem(t, answer); answer.Code != test.status || test.code != "" && p.Code != test.code {
			t.Errorf("%s: %d %s: %s", name, answer.Code, p.Code, p.Detail)
		}
		if late := name == "a late callback"; (len(d.batches) > 0) != late || !late && len(d.blobs) > 0 {
			t.Errorf("%s: left %v and %v", name, d.batches, d.blobs)
		}
	}
}

// TestBatchThatBreaksOff keeps what came whole, and says so.
func TestBatchThatBreaksOff(t *testing.T) {
	var parts []part
	for i := range 150 {
		parts = append(parts, part{"file", fmt.Sprintf("%d.txt", i), "text of a file"})
	}
	body, mediaType := formOf(t, parts...)
	s, d := newDepot(t)
	answer := send(t, s, "", body[:len(body)-100], mediaType)
	p := problem(t, answer)
	if answer.Code != 400 || p.Code != ingest.CodeBroken || answer.Header().Get("Location") != "/api/v1/batches/1" || !strings.Contains(p.Detail, "batch 1") {
		t.Errorf("%d, %q: %s", answer.Code, answer.Header().Get("Location"), p.Detail)
	}
	if got := d.batches[1]; got.Error == nil || got.Error.Code != ingest.CodeBroken || len(d.entries[1]) != 149 || len(d.blobs) != 149 {
		t.Errorf("%+v with %d entries and %d blobs", got, len(d.entries[1]), len(d.blobs))
	}

	for kind, status := range map[error]int{rag.Unavailable("catalog", errors.New("gone")): 503, &rag.Problem{Kind: rag.ErrConflict, Code: "batch_canceled", Message: "canceled"}: 409} {
		s, d = newDepot(t)
		d.putErr = kind
		answer = send(t, s, "", body, mediaType)
		if answer.Code != status || len(d.entries[1]) != 100 || len(d.blobs) != 100 || d.batches[1].Error == nil {
			t.Errorf("%d, %d entries, %d blobs, %+v", answer.Code, len(d.entries[1]), len(d.blobs), d.batches[1])
		}
	}
}

func TestTenThousandFiles(t *testing.T) {
	files := map[string]string{}
	for i := range ingest.MaxEntries {
		files[fmt.Sprintf("d%d/%d.txt", i%100, i)] = "x"
	}
	s, d := newDepot(t)
	if answer := send(t, s, "", zipped(t, files), "application/zip"); answer.Code != 200 || len(d.entries[1]) != ingest.MaxEntries || len(d.blobs) != ingest.MaxEntries {
		t.Errorf("%d, %d entries: %s", answer.Code, len(d.entries[1]), answer.Body)
	}
	files["one too many"] = "x"
	var parts []part
	for path := range files {
		parts = append(parts, part{"file", path, "x"})
	}
	s, d = newDepot(t)
	body, mediaType := formOf(t, parts...)
	answer := send(t, s, "", body, mediaType)
	if p := problem(t, answer); answer.Code != 413 || p.Code != "too_many_files" || len(d.entries[1]) != ingest.MaxEntries || d.batches[1].Error == nil {
		t.Errorf("%d %s, %d entries", answer.Code, p.Code, len(d.entries[1]))
	}
}

func TestBatchesAreTheTenantsOwn(t *testing.T) {
	s, d := newDepot(t)
	d.batches[1] = rag.Batch{ID: 1, State: rag.BatchRunning}
	d.batches[2] = rag.Batch{ID: 2, State: rag.BatchEnded, EndedAt: new(time.Time)}
	other := func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") }
	for _, test := range []struct {
		method, path string
		change       func(*http.Request)
		status       int
	}{
		{"GET", "/api/v1/batches/1", nil, 200}, {"GET", "/api/v1/batches/1", other, 404}, {"GET", "/api/v1/batches/7", nil, 404},
		{"GET", "/api/v1/batches/2/events", nil, 200}, {"GET", "/api/v1/batches/2/events", other, 404}, {"GET", "/api/v1/batches/x/events", nil, 400},
		{"POST", "/api/v1/batches/1:cancel", nil, 202}, {"POST", "/api/v1/batches/1:cancel", other, 404}, {"POST", "/api/v1/batches/2:cancel", nil, 409},
		{"POST", batches, other, 404}, {"GET", "/api/v1/batches?collection=c", other, 404}, {"GET", "/api/v1/batches?colour=red", nil, 400},
	} {
		if answer := ask(s, test.method, test.path, "", test.change); answer.Code != test.status {
			t.Errorf("%s %s, other %v: %d, want %d: %s", test.method, test.path, test.change != nil, answer.Code, test.status, answer.Body)
		}
	}
	var page api.Batches
	answer := ask(s, "GET", "/api/v1/batches?collection=c&before=20&limit=1", "", nil)
	if err := json.Unmarshal(answer.Body.Bytes(), &page); err != nil || len(page.Batches) != 1 || page.Next != 9 || page.Batches[0].Collection != "default1 20" {
		t.Errorf("%s", answer.Body)
	}
}

func TestBatchEvents(t *testing.T) {
	s, d := newDepot(t)
	d.batches[99] = rag.Batch{ID: 99, State: rag.BatchRunning}
	base := listen(t, s).URL
	follow := func(last string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1/batches/99/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Last-Event-ID", last)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		raw, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(raw)
	}
	_, text := follow("")
	if strings.Count(text, "event: progress\n") != 3 || strings.Count(text, "event: end\n") != 1 || !strings.Contains(text, `"files_a_second":2`) || !strings.Contains(text, `"state":"ended"`) {
		t.Errorf("got %s", text)
	}
	_, id, _ := strings.Cut(text, "\nid: ")
	id, _, _ = strings.Cut(id, "\n")
	if status, _ := follow(id); status != 204 {
		t.Errorf("a client that had the end %q is answered %d", id, status)
	}
}
