package callback

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

type oneBatch struct {
	batch  rag.Batch
	secret string
}

func (o oneBatch) CallbackBatch(context.Context, rag.Claim) (rag.Batch, string, error) {
	return o.batch, o.secret, nil
}

func batchTo(url string) rag.Batch {
	ended := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	return rag.Batch{ID: 7, Name: "docs", State: rag.BatchEnded, Counts: rag.BatchCounts{Succeeded: 2, Refused: 1}, CreatedAt: ended.Add(-time.Hour), EndedAt: &ended, Callback: &rag.Callback{URL: url}}
}

// deliver sends the callback of a batch to an address.
func deliver(t *testing.T, url, own string, config Config) error {
	t.Helper()
	s, err := New(oneBatch{batchTo(url), own}, config)
	if err != nil {
		t.Fatal(err)
	}
	return s.Handle(t.Context(), rag.Claim{}, rag.Job{})
}

// TestSignature compares with the vector of the Standard Webhooks specification's libraries.
func TestSignature(t *testing.T) {
	key, err := keyOf(secret)
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDelivery(t *testing.T) {
	for name, test := range map[string]struct{ own, servers string }{"the client's secret": {own: "a secret of sixteen bytes and more", servers: secret}, "the server's": {servers: secret}} {
		t.Run(name, func(t *testing.T) {
			var ids []string
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				ids = append(ids, r.Header.Get("webhook-id"))
				key := []byte(test.own)
				if test.own == "" {
					key, _ = base64.StdEncoding.DecodeString(strings.TrimPrefix(test.servers, "whsec_"))
				}
				mac := hmac.New(sha256.New, key)
				mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "." + string(body)))
				if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want {
					t.Errorf("signature %q, want %q", r.Header.Get("webhook-signature"), want)
				}
				var ended api.BatchEnded
				if err := json.Unmarshal(body, &ended); err != nil || ended.Type != "batch.ended" || ended.Data.ID != 7 || ended.Data.Done != 3 || ended.Data.EndedAt == nil {
					t.Errorf("body %s, %v", body, err)
				}
				if strings.Contains(string(body), "secret") {
					t.Errorf("the body holds a secret: %s", body)
				}
			}))
			defer receiver.Close()
			for range 2 {
				if err := deliver(t, receiver.URL+"/hook?token=x", test.own, Config{Secret: test.servers, Allow: "127.0.0.1"}); err != nil {
					t.Fatal(err)
				}
			}
			if len(ids) != 2 || ids[0] != ids[1] || ids[0] == "" {
				t.Errorf("ids %q: a receiver tells a repetition by the id", ids)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for status, permanent := range map[int]bool{200: false, 204: false, 301: true, 307: true, 400: false, 404: false, 410: true, 429: false, 500: false, 503: false} {
		followed := false
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/followed" {
				followed = true
			}
			w.Header().Set("Location", "/followed")
			w.WriteHeader(status)
		}))
		err := deliver(t, receiver.URL+"/hook?token=hidden", "", Config{Secret: secret, Allow: "127.0.0.0/8"})
		receiver.Close()
		var problem *rag.Problem
		if (err == nil) != (status < 300) || errors.As(err, &problem) != permanent || followed {
			t.Errorf("%d: %v, permanent %v, redirect followed %v", status, err, errors.As(err, &problem), followed)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("%d: %v tells the query", status, err)
		}
	}
}

func TestSlowReceiver(t *testing.T) {
	slow := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-slow:
		case <-r.Context().Done():
		}
	}))
	defer receiver.Close()
	defer close(slow)
	began := time.Now()
	err := deliver(t, receiver.URL, "", Config{Secret: secret, Allow: "127.0.0.1", Timeout: 100 * time.Millisecond})
	var problem *rag.Problem
	if err == nil || errors.As(err, &problem) || !strings.Contains(err.Error(), "in time") || time.Since(began) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
	receiver.CloseClientConnections()
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	if err := deliver(t, nobody.URL, "", Config{Secret: secret, Allow: "127.0.0.1"}); err == nil || errors.As(err, &problem) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	none, err := newGuard("")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "::", "10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1", "fd00:ec2::254", "169.254.169.254", "fe80::1",
		"fe80::1%eth0", "224.0.0.1", "ff02::1", "255.255.255.255", "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "192.0.2.1", "240.0.0.1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "168.63.129.16", "0.1.2.3", "fec0::1",
	} {
		if none.allows(netip.MustParseAddr(text)) {
			t.Errorf("%s is allowed", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "172.32.0.1", "100.128.0.1"} {
		if !none.allows(netip.MustParseAddr(text)) {
			t.Errorf("%s is refused", text)
		}
	}
	some, err := newGuard(" 10.1.0.0/16, fd12::/32,192.168.3.4 , hooks.internal")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"10.1.2.3": true, "10.2.2.3": false, "::ffff:10.1.2.3": true, "fd12::5": true, "192.168.3.4": true, "192.168.3.5": false, "127.0.0.1": false} {
		if some.allows(netip.MustParseAddr(text)) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
	for _, wrong := range []string{"10.0.0.0/40", "host:80", "*.internal", "http://x"} {
		if _, err := newGuard(wrong); err == nil {
			t.Errorf("callback-allow %q is taken", wrong)
		}
	}
}

func TestCheck(t *testing.T) {
	with, err := New(nil, Config{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	without, err := New(nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "example.com/x", "ftp://example.com", "file:///etc/passwd", "http://", "https://user:pass@example.com", "http://127.0.0.1:8080/", "http://[::1]/", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/", "http://[fe80::1%25lo]/", "gopher://x", ":"} {
		if err := with.Check(rag.Callback{URL: wrong}); !errors.Is(err, rag.ErrInvalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if err := with.Check(rag.Callback{URL: "https://example.com/x"}); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"", "short", "whsec_short", "whsec_!!!!"} {
		if err := without.Check(rag.Callback{URL: "https://example.com/x", Secret: s}); !errors.Is(err, rag.ErrInvalid) {
			t.Errorf("secret %q: %v", s, err)
		}
	}
	if _, err := New(nil, Config{Secret: "short"}); err == nil {
		t.Error("a short secret of the server is taken")
	}
}

// nameServer answers every name with a public address first, and then with loopback, as one does that means to get past
// a check made before the connection.
func nameServer(t *testing.T, answers ...[4]byte) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for asked := 0; ; {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			var message dnsmessage.Message
			if message.Unpack(buffer[:n]) != nil || len(message.Questions) == 0 {
				continue
			}
			question := message.Questions[0]
			message.Header.Response = true
			if question.Type == dnsmessage.TypeA {
				message.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: answers[min(asked, len(answers)-1)]},
				}}
				asked++
			}
			if raw, err := message.Pack(); err == nil {
				_, _ = server.WriteTo(raw, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// TestNamesThatRebind has a real name server lead a name to this machine: whatever was true of it before, the connection
// is refused, and the receiver sees nothing.
func TestNamesThatRebind(t *testing.T) {
	called := false
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer receiver.Close()
	_, port, err := net.SplitHostPort(receiver.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, allow := range []string{"", "other.example.com", "10.0.0.0/8"} {
		s, err := New(oneBatch{batchTo("http://rebind.example.com:" + port), ""}, Config{Secret: secret, Allow: allow})
		if err != nil {
			t.Fatal(err)
		}
		s.guard.resolver = nameServer(t, [4]byte{93, 184, 215, 14}, [4]byte{127, 0, 0, 1})
		if found, err := s.guard.resolver.LookupHost(t.Context(), "rebind.example.com"); err != nil || found[0] != "93.184.215.14" {
			t.Fatalf("first the name leads to %v, %v", found, err)
		}
		var problem *rag.Problem
		if err := s.Handle(t.Context(), rag.Claim{}, rag.Job{}); !errors.As(err, &problem) || problem.Code != "callback_address_refused" || called {
			t.Errorf("allowed %q: %v, called %v", allow, err, called)
		}
		if strings.Contains(problem.Message, "127.0.0.1") {
			t.Errorf("%q tells where an internal name leads", problem.Message)
		}
	}
	s, err := New(oneBatch{batchTo("http://Rebind.example.com.:" + port), ""}, Config{Secret: secret, Allow: "rebind.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	s.guard.resolver = nameServer(t, [4]byte{127, 0, 0, 1})
	if err := s.Handle(t.Context(), rag.Claim{}, rag.Job{}); err != nil || !called {
		t.Errorf("a host that is allowed: %v, called %v", err, called)
	}
}
