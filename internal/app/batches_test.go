package app

import (
	"archive/zip"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// hook is a receiver of callbacks: it answers what a test says, in turn, and checks what it is sent.
type hook struct {
	t       *testing.T
	secret  string
	answers []int
	mu      sync.Mutex
	ids     []string
	bodies  []object
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	raw, err := io.ReadAll(r.Body)
	var body object
	if err != nil || json.Unmarshal(raw, &body) != nil {
		h.t.Errorf("a callback of %s, %v", raw, err)
	}
	mac := hmac.New(sha256.New, []byte(h.secret))
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), raw)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want {
		h.t.Errorf("signature %q, want %q", r.Header.Get("webhook-signature"), want)
	}
	h.ids, h.bodies = append(h.ids, r.Header.Get("webhook-id")), append(h.bodies, body)
	w.WriteHeader(h.answers[min(len(h.ids), len(h.answers))-1])
}

func (h *hook) calls() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ids)
}

// within polls until something is so.
func within(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// TestBatch sends an archive with a callback that fails at first, and stops the server before it is tried again.
func TestBatch(t *testing.T) {
	receiver := &hook{t: t, secret: "sixteen bytes or more", answers: []int{500, 200}}
	called := httptest.NewServer(receiver)
	t.Cleanup(called.Close)
	data := t.TempDir()
	with := settings(t, data)
	with.MaxArchiveBytes, with.MaxBatchBytes = 10<<20, 20<<20
	with.CallbackAllow = "127.0.0.1"
	s := start(t, with)
	s.json(201, "POST", "/api/v1/collections", object{"name": "kites"})

	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for path, text := range map[string]string{
		"a/red.md": "# Red kites\n\nThe red kite nests in tall trees.", "a/black.md": "# Black kites\n\nThe black kite hunts over lakes.",
		"a/image.png": "\x89PNG\r\n\x1a\nnothing", "a/.hidden": "x", "../up.md": "# Up",
	} {
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
	send := func(callback string) object {
		t.Helper()
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		if callback != "" {
			_ = form.WriteField("callback_url", callback)
			_ = form.WriteField("callback_secret", receiver.secret)
		}
		part, err := form.CreateFormFile("archive", "kites.zip")
		if err == nil {
			_, err = part.Write(packed.Bytes())
		}
		if err == nil {
			err = form.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return s.do(200, "POST", "/api/v1/collections/kites/batches?wait=60s", form.FormDataContentType(), &body)
	}
	batch := send(called.URL + "/hook")
	counts := batch["counts"].(object)
	if batch["state"] != "ended" || counts["succeeded"] != 2.0 || counts["refused"] != 2.0 || len(batch["refused"].([]any)) != 2 {
		t.Fatalf("the batch: %v", batch)
	}
	if hit := s.hits("kites", object{"query": "Which kite hunts over lakes?", "top_k": 1})[0]; hit["document_id"] != "a/black.md" {
		t.Errorf("found %v", hit["document_id"])
	}
	path := fmt.Sprintf("/api/v1/batches/%v", batch["id"])
	within(t, 10*time.Second, "the callback's first try", func() bool {
		return s.json(200, "GET", path, nil)["callback"].(object)["state"] == "retrying"
	})
	tried := s.json(200, "GET", path, nil)["callback"].(object)
	if failure := tried["error"].(object); failure["code"] != "callback_failed" || !strings.Contains(failure["message"].(string), "answered 500") {
		t.Errorf("after the first try: %v", tried)
	}

	s.stop()
	s = start(t, with)
	within(t, 30*time.Second, "the callback's second try", func() bool {
		return s.json(200, "GET", path, nil)["callback"].(object)["state"] == "succeeded"
	})
	if told := receiver.bodies[1]["data"].(object); receiver.calls() != 2 || receiver.ids[0] != receiver.ids[1] || told["state"] != "ended" || told["done"] != 4.0 {
		t.Errorf("%d calls %v, told %v", receiver.calls(), receiver.ids, told)
	}

	again := send("")
	if counts := again["counts"].(object); counts["unchanged"] != 2.0 || counts["succeeded"] != 0.0 {
		t.Errorf("sent again: %v", again)
	}
	jobs := s.json(200, "GET", fmt.Sprintf("/api/v1/jobs?batch=%v", batch["id"]), nil)["jobs"].([]any)
	if len(jobs) != 2 {
		t.Errorf("%d jobs of the batch", len(jobs))
	}
	if list := s.json(200, "GET", "/api/v1/batches?collection=kites", nil)["batches"].([]any); len(list) != 2 || list[0].(object)["id"] != again["id"] {
		t.Errorf("listed: %v", list)
	}
}
