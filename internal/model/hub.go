package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

const (
	defaultEndpoint = "https://huggingface.co"

	// maxListing is the most that is read of a repository's listing.
	maxListing = 32 << 20
)

// hub speaks to one Hugging Face style hub:
//
//	GET {endpoint}/api/models/{owner}/{name}/revision/{revision}?blobs=true   the commit and its files
//	GET {endpoint}/{owner}/{name}/resolve/{commit}/{path}                     a file, mostly by way of a redirect
type hub struct {
	endpoint *url.URL
	token    string
	client   *http.Client
	options  PullOptions
}

// reference is owner/name[@revision].
type reference struct{ owner, name, revision string }

func parseReference(ref string) (reference, error) {
	path, revision, pinned := strings.Cut(ref, "@")
	owner, name, _ := strings.Cut(path, "/")
	if !pinned {
		revision = "main"
	}
	part := regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$`)
	if !part.MatchString(owner) || !part.MatchString(name) || !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/-]{0,127}$`).MatchString(revision) ||
		strings.Contains(revision, "..") {
		return reference{}, invalid("model_reference", "%q is no model reference; write OWNER/NAME or OWNER/NAME@REVISION, for example BAAI/bge-base-en-v1.5", clip(ref))
	}
	return reference{owner: owner, name: name, revision: revision}, nil
}

func (r reference) repository() string { return r.owner + "/" + r.name }

// listing is a repository at one commit.
type listing struct {
	Commit string        `json:"sha"`
	Files  []listingFile `json:"siblings"`
}

type listingFile struct {
	Path   string `json:"rfilename"`
	Size   int64  `json:"size"`   // 0 where the hub doesn't tell
	BlobID string `json:"blobId"` // git's name of the content; of the pointer, for a file in LFS
	LFS    *struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"lfs"`
}

func (l listing) find(path string) (listingFile, bool) {
	for _, f := range l.Files {
		if f.Path == path {
			return f, true
		}
	}
	return listingFile{}, false
}

func newHub(o PullOptions) (*hub, error) {
	endpoint := o.Endpoint
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	u, err := url.Parse(strings.TrimRight(endpoint, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, invalid("model_hub", "the hub's address %q is not of the form https://host", clip(endpoint))
	}
	if o.Token != "" && u.Scheme != "https" && !isLoopback(u.Hostname()) {
		return nil, invalid("model_hub", "a token is not sent to %s without TLS; use an https address", u.Host)
	}
	client := &http.Client{Transport: o.Transport, CheckRedirect: followRedirect}
	return &hub{endpoint: u, token: o.Token, options: o, client: client}, nil
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// followRedirect keeps the token with the host that it is for, and never goes from TLS to none.
func followRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return invalid("model_hub", "%s redirects in circles", via[0].URL.Host)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return invalid("model_hub", "%s redirects to %s without TLS", via[0].URL.Host, req.URL.Host)
	}
	if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		req.Header.Del("Authorization")
		req.Header.Del("Cookie")
	}
	return nil
}

// list resolves a revision to a commit and lists the files there.
func (h *hub) list(ctx context.Context, ref reference) (listing, error) {
	u := h.endpoint.JoinPath("api", "models", ref.owner, ref.name, "revision", url.PathEscape(ref.revision))
	u.RawQuery = "blobs=true"
	var l listing
	err := h.retry(ctx, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, h.options.IdleTimeout)
		defer cancel()
		res, err := h.send(ctx, http.MethodGet, u, nil)
		if err != nil {
			return false, err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return false, statusError(res, ref.repository()+" at revision "+ref.revision)
		}
		raw, err := io.ReadAll(io.LimitReader(res.Body, maxListing))
		if err != nil {
			return false, retryable(err)
		}
		if err := json.Unmarshal(raw, &l); err != nil {
			return false, invalid("model_hub", "%s answers with something else than a model's listing; it is no model hub", h.endpoint.Host)
		}
		return false, nil
	})
	if err != nil {
		return listing{}, fmt.Errorf("list %s at %s: %w", ref.repository(), h.endpoint.Host, err)
	}
	if !isHex(l.Commit, 40) {
		return listing{}, invalid("model_hub", "%s doesn't say which commit %s@%s is; it is no model hub", h.endpoint.Host, ref.repository(), clip(ref.revision))
	}
	return l, nil
}

// send makes a request. Errors on the way can be retried; refused redirects can't.
func (h *hub) send(ctx context.Context, method string, u *url.URL, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for key, values := range header {
		req.Header[key] = values
	}
	req.Header.Set("Accept-Encoding", "identity") // so that lengths and ranges are the file's own
	req.Header.Set("User-Agent", "redkite")
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	res, err := h.client.Do(req)
	if refused := (*rag.Problem)(nil); errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		return nil, retryable(err)
	}
	return res, nil
}

// fileURL is where a file of a commit is to be had.
func (h *hub) fileURL(ref reference, commit, path string) *url.URL {
	parts := []string{ref.owner, ref.name, "resolve", commit}
	for part := range strings.SplitSeq(path, "/") {
		parts = append(parts, url.PathEscape(part))
	}
	return h.endpoint.JoinPath(parts...)
}
