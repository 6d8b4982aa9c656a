// Package milvus keeps chunk vectors in Milvus: an external server, or the embedded Milvus Lite that Lite runs as a
// child process. The SDK and its types stay inside this package.
//
// Milvus is derived: the catalog says which chunks are live and holds their text. One collection of redkite is one
// physical collection a generation (rk_c<collection>_g<generation>) behind an alias (rk_c<collection>).
package milvus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/redkite/redkite/internal/rag"
)

// Config says how to reach a server.
type Config struct {
	Address  func() string // host:port; asked at each dial, since an embedded server may move
	User     string
	Password string
	TLS      bool
	Database string
	Timeout  time.Duration // for each call. Defaults to 10 s.
}

// Client speaks to one server. It connects when it is first needed, and again after the server was away. A server that
// can't be reached gives a rag.Problem of kind rag.ErrUnavailable.
type Client struct {
	cfg Config
	log *slog.Logger

	dialing chan struct{} // holds one token: who has it may dial
	mu      sync.Mutex
	native  *client.GrpcClient
	lite    bool            // the server is Milvus Lite
	sparse  bool            // the server is 2.4 or later
	ensured map[string]bool // physical collections that were found whole
}

// New makes a client without connecting.
func New(cfg Config, log *slog.Logger) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	return &Client{cfg: cfg, log: log.With("component", "milvus"), dialing: make(chan struct{}, 1), ensured: map[string]bool{}}
}

// Close ends the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.native == nil {
		return nil
	}
	native := c.native
	c.native = nil
	return native.Close()
}

// Health says what answers.
type Health struct {
	Version string
	Lite    bool
	Sparse  bool // it can hold sparse vectors: Milvus 2.4 and later
}

// Ping asks the server for its version.
func (c *Client) Ping(ctx context.Context) (Health, error) {
	var h Health
	err := c.call(ctx, "ping", func(ctx context.Context, native *client.GrpcClient) error {
		version, err := native.GetVersion(ctx)
		h = Health{Version: version, Lite: isLite(version), Sparse: sparse(version)}
		return err
	})
	return h, err
}

// isLite recognises Milvus Lite 3, the embedded server in Python, by its version, such as "3.2.2-lite". The standalone
// 2.3 server of the Python package milvus also calls itself lite, but is a full one.
func isLite(version string) bool {
	major, _ := numbers(version)
	return major >= 3 && strings.Contains(strings.ToLower(version), "lite")
}

// sparse reports whether a version can hold sparse vectors: 2.4 and later.
func sparse(version string) bool {
	major, minor := numbers(version)
	return major > 2 || major == 2 && minor >= 4
}

// numbers reads the first two numbers of a version such as "v2.3.5-lite"; 0, 0 where there are none.
func numbers(version string) (major, minor int) {
	digits := strings.IndexAny(version, "0123456789")
	if digits < 0 {
		return 0, 0
	}
	if _, err := fmt.Sscanf(version[digits:], "%d.%d", &major, &minor); err != nil {
		return 0, 0
	}
	return major, minor
}

// call runs do with a connection and a deadline, and names the operation in its error.
func (c *Client) call(ctx context.Context, operation string, do func(context.Context, *client.GrpcClient) error) error {
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	native, err := c.connect(limited)
	if err == nil {
		err = do(limited, native)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", operation, c.classify(ctx, native, err))
}

// classify tells a server that is away from everything else. A deadline that passed while the connection was down is
// the server's fault; the caller's own cancellation is passed on.
func (c *Client) classify(ctx context.Context, native *client.GrpcClient, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var problem *rag.Problem
	if errors.As(err, &problem) {
		return err
	}
	down := native == nil || native.Conn.GetState() != connectivity.Ready
	late := errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded
	switch {
	case status.Code(err) == codes.Unavailable, late && (down || ctx.Err() == nil):
		return rag.Unavailable("milvus", err)
	case late:
		return context.DeadlineExceeded
	}
	return err
}

// connect gives the connection, made if there is none.
func (c *Client) connect(ctx context.Context) (*client.GrpcClient, error) {
	if native := c.current(); native != nil {
		return native, nil
	}
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if native := c.current(); native != nil {
		return native, nil
	}
	dialed, err := client.NewClient(ctx, client.Config{
		Address: c.cfg.Address(), Username: c.cfg.User, Password: c.cfg.Password, EnableTLSAuth: c.cfg.TLS, DBName: c.cfg.Database,
		DialOptions:    dialOptions(),
		RetryRateLimit: &client.RetryRateLimitOption{MaxRetry: 5, MaxBackoff: time.Second},
	})
	if err != nil {
		return nil, rag.Unavailable("milvus", err)
	}
	native, ok := dialed.(*client.GrpcClient)
	if !ok {
		return nil, fmt.Errorf("the Milvus SDK gave a %T", dialed)
	}
	version, err := native.GetVersion(ctx)
	if err != nil {
		return nil, errors.Join(rag.Unavailable("milvus", err), native.Close())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.native, c.lite, c.sparse = native, isLite(version), sparse(version)
	c.log.InfoContext(ctx, "connected", "address", c.cfg.Address(), "version", version)
	return native, nil
}

// current gives the connection there is, if it is usable. One that is known to be down is asked to connect, and refused
// at once instead of after the SDK's retries.
func (c *Client) current() *client.GrpcClient {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.native == nil {
		return nil
	}
	switch c.native.Conn.GetState() {
	case connectivity.TransientFailure, connectivity.Shutdown:
		_ = c.native.Close()
		c.native = nil
		clear(c.ensured) // another server may come back at that address
		return nil
	}
	return c.native
}

func dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithBlock(), //nolint:staticcheck // the SDK dials with DialContext, and the deadline bounds it
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	}
}
