// Package callback tells clients over HTTP that their batches have ended, as the Standard Webhooks scheme does: signed,
// so that the receiver can tell who speaks, and never to an internal address, so that nobody can have redkite reach what
// he can't reach himself. Tries and their times are the job's affair (internal/catalog).
package callback

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// Config sets up a Sender.
type Config struct {
	Secret  string        // signs where a batch brings no secret of its own; may be empty
	Allow   string        // hosts and ranges that may be called though they are internal, comma-separated
	Agent   string        // what the sender calls itself
	Timeout time.Duration // for one try. Defaults to 15 s.
}

// Batches gives the batch whose end a claimed job is to tell, and the secret that its client brought.
type Batches interface {
	CallbackBatch(ctx context.Context, claim rag.Claim) (rag.Batch, string, error)
}

// Sender sends callbacks.
type Sender struct {
	batches Batches
	config  Config
	guard   *guard
	client  *http.Client
}

// defaultTimeout bounds a try.
const defaultTimeout = 15 * time.Second

// New makes a Sender. What Allow says wrongly is an error.
func New(batches Batches, config Config) (*Sender, error) {
	g, err := newGuard(config.Allow)
	if err != nil {
		return nil, err
	}
	if config.Secret != "" {
		if _, err := keyOf(config.Secret); err != nil {
			return nil, rag.Invalid("", "setting callback-secret: %v", err)
		}
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	return &Sender{batches: batches, config: config, guard: g, client: &http.Client{
		Timeout: config.Timeout,
		// No proxy: it would resolve names anew, past the guard. No connection is kept: one allowed for another host
		// must not be met again.
		Transport: &http.Transport{
			DialContext: g.dial, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: dialTimeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Check refuses a callback that can't work, before it is taken.
func (s *Sender) Check(callback rag.Callback) error {
	if err := s.guard.check(callback.URL); err != nil {
		return err
	}
	if callback.Secret == "" && s.config.Secret == "" {
		return rag.Invalid("/callback_secret", "a callback is signed: send callback_secret too, or set callback-secret on the server")
	}
	if callback.Secret != "" {
		if _, err := keyOf(callback.Secret); err != nil {
			return rag.Invalid("/callback_secret", "callback_secret: %v", err)
		}
	}
	return nil
}

// Handle does a callback job.
func (s *Sender) Handle(ctx context.Context, claim rag.Claim, _ rag.Job) error {
	batch, secret, err := s.batches.CallbackBatch(ctx, claim)
	if err != nil {
		return err
	}
	if batch.Callback == nil {
		return rag.Invalid("", "batch %d has no callback", batch.ID)
	}
	if secret == "" {
		secret = s.config.Secret
	}
	body, err := json.Marshal(api.BatchEnded{Type: api.BatchEndedType, Timestamp: endOf(batch), Data: api.BatchOf(batch)})
	if err != nil {
		return fmt.Errorf("write callback of batch %d: %w", batch.ID, err)
	}
	id := fmt.Sprintf("batch_%d_%d", batch.ID, batch.CreatedAt.UnixMicro()) // the same at every try
	return s.send(ctx, batch.Callback.URL, id, secret, body)
}

func endOf(batch rag.Batch) time.Time {
	if batch.EndedAt != nil {
		return *batch.EndedAt
	}
	return time.Now() // one of its jobs is retried meanwhile
}

// send posts once. An error that is a rag.Problem says that trying again is of no use.
func (s *Sender) send(ctx context.Context, address, id, secret string, body []byte) error {
	if err := s.guard.check(address); err != nil {
		return err
	}
	key, err := keyOf(secret)
	if err != nil {
		return rag.Invalid("", "the secret that signs callbacks: %v", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return rag.Invalid("", "callback_url can't be called: %v", err)
	}
	now := time.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", s.config.Agent)
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	request.Header.Set("webhook-signature", Sign(key, id, now, body))
	response, err := s.client.Do(request)
	if err != nil {
		return failed(ctx, request.URL, err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // the answer's text is of no use; its status has come
	switch {
	case response.StatusCode/100 == 2:
		return nil
	case response.StatusCode/100 == 3:
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "callback_redirected", Message: request.URL.Host + " answered " + response.Status + ": redirects are not followed; give the address they lead to"}
	case response.StatusCode == http.StatusGone:
		return &rag.Problem{Kind: rag.ErrInvalid, Code: "callback_gone", Message: request.URL.Host + " answered " + response.Status + ": it wants no callbacks any more"}
	}
	return fmt.Errorf("%s answered %s", request.URL.Host, response.Status)
}

// failed says why no answer came, without the address's path and query, which may hold secrets.
func failed(ctx context.Context, to *url.URL, err error) error {
	var problem *rag.Problem
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &problem):
		return problem
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		if wrapped.Timeout() {
			return fmt.Errorf("%s did not answer in time", to.Host)
		}
		err = wrapped.Err
	}
	return fmt.Errorf("%s can't be reached: %w", to.Host, err)
}

// Sign gives the webhook-signature of a body: a receiver computes it too and compares.
func Sign(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// minKey is how many bytes a key has at least.
const minKey = 16

// keyOf reads a secret: base64 after whsec_, as Standard Webhooks writes it, else the bytes as they are.
func keyOf(secret string) ([]byte, error) {
	key := []byte(secret)
	if encoded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, errors.New("what follows whsec_ is not base64")
		}
	}
	if len(key) < minKey {
		return nil, fmt.Errorf("it must have at least %d bytes", minKey)
	}
	return key, nil
}
