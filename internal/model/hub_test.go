package model_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// standIn has the file layout of a model hub: a listing, small files served at once, large ones by a redirect to
// another host, both with ranges.
type standIn struct {
	t          *testing.T
	hub, store *httptest.Server

	mu        sync.Mutex
	files     files
	commit    string
	token     string // asked for, where it is set
	plain     bool   // list names alone, as older hubs do
	cut       int    // break off the next large answers after so many bytes
	cuts      int    // so many times
	noRange   bool   // ignore Range
	hang      bool   // say nothing after the first bytes
	busy      int    // answer so many requests with 503
	corrupt   string // a file that is sent with a byte changed
	requests  []string
	storeAuth []string // Authorization headers that the second host saw
}

// newStandIn serves the repository owner/m at main and at its commit.
func newStandIn(t *testing.T, f files) *standIn {
	s := &standIn{t: t, files: f, commit: commit}
	s.hub = httptest.NewServer(http.HandlerFunc(s.serveHub))
	s.store = httptest.NewServer(http.HandlerFunc(s.serveStore))
	t.Cleanup(s.hub.Close)
	t.Cleanup(s.store.Close)
	return s
}

// set changes the stand-in between requests.
func (s *standIn) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// fetched lists the requests for a path's content so far, as "path" or "path range".
func (s *standIn) fetched(path string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.requests {
		if r == path || strings.HasPrefix(r, path+" ") {
			out = append(out, r)
		}
	}
	return out
}

func isLarge(path string) bool { return strings.HasPrefix(path, "onnx/") }

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func (s *standIn) serveHub(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.busy > 0:
		s.busy--
		w.WriteHeader(http.StatusServiceUnavailable)
	case s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/api/models/owner/m/revision/main" || r.URL.Path == "/api/models/owner/m/revision/"+s.commit:
		s.list(w)
	case strings.HasPrefix(r.URL.Path, "/owner/m/resolve/"+s.commit+"/"):
		s.resolve(w, r, strings.TrimPrefix(r.URL.Path, "/owner/m/resolve/"+s.commit+"/"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *standIn) list(w http.ResponseWriter) {
	var siblings []object
	for path, content := range s.files {
		entry := object{"rfilename": path}
		if !s.plain {
			entry["size"] = len(content)
			entry["blobId"] = fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)))
			if isLarge(path) {
				entry["blobId"] = strings.Repeat("a", 40) // of the pointer
				entry["lfs"] = object{"sha256": digest(content), "size": len(content), "pointerSize": 130}
			}
		}
		siblings = append(siblings, entry)
	}
	if err := json.NewEncoder(w).Encode(object{"id": "owner/m", "sha": s.commit, "siblings": siblings}); err != nil {
		s.t.Error(err)
	}
}

func (s *standIn) resolve(w http.ResponseWriter, r *http.Request, path string) {
	content, ok := s.files[path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if isLarge(path) {
		w.Header().Set("X-Linked-Etag", `"`+digest(content)+`"`)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(content)))
		http.Redirect(w, r, s.store.URL+"/blobs/"+path, http.StatusFound)
		return
	}
	w.Header().Set("ETag", `"a1b2"`)
	s.send(w, r, path, content)
}

func (s *standIn) serveStore(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	path := strings.TrimPrefix(r.URL.Path, "/blobs/")
	content := s.files[path]
	s.storeAuth = append(s.storeAuth, r.Header.Get("Authorization"))
	w.Header().Set("ETag", `"the-second-host's-own"`)
	cut, hang := 0, s.hang
	if s.cuts > 0 && r.Method == http.MethodGet {
		s.cuts--
		cut = s.cut
	}
	if cut == 0 && !hang {
		s.send(w, r, path, content)
		s.mu.Unlock()
		return
	}
	s.record(r, path)
	s.mu.Unlock()
	s.breakOff(w, r, content, cut)
}

func (s *standIn) record(r *http.Request, path string) {
	if r.Method == http.MethodGet {
		s.requests = append(s.requests, strings.TrimSpace(path+" "+r.Header.Get("Range")))
	}
}

func (s *standIn) send(w http.ResponseWriter, r *http.Request, path string, content []byte) {
	s.record(r, path)
	if path == s.corrupt {
		content = bytes.Clone(content)
		content[len(content)/2] ^= 1
	}
	if s.noRange {
		r.Header.Del("Range")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// breakOff sends cut bytes and closes the connection; or, with cut 0, sends the file's first 100 bytes and is silent until
// the other side gives up.
func (s *standIn) breakOff(w http.ResponseWriter, r *http.Request, content []byte, cut int) {
	start := 0
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &start); err == nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(content)-1, len(content)))
	}
	rest := content[start:]
	w.Header().Set("Content-Length", fmt.Sprint(len(rest)))
	if start > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	if start > 0 && cut == 0 {
		rest = nil
	} else {
		rest = rest[:max(cut, 100)]
	}
	if _, err := w.Write(rest); err != nil {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	if cut > 0 {
		panic(http.ErrAbortHandler)
	}
	<-r.Context().Done()
}
