// Package milvus keeps chunk vectors in Milvus: an external server, or the embedded Milvus Lite that Lite runs as a
// child process. The SDK and its types stay inside this package.
//
// Milvus is derived: the catalog says which chunks are live and holds their text. One collection of redkite is one
// physical collection a generation (rk_c<collection>_g<generation>) behind an alias (rk_c<collection>).
package milvus

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"github.com/redkite/redkite/internal/rag"
)

// Config says how to reach a server.
type Config struct {
	Address  func() string // host:port; asked at each call, since an embedded server may move
	User     string
	Password string
	TLS      bool
	Database string        // empty for the server's default database
	Timeout  time.Duration // for each call; defaults to 10 s. Loading and flushing may take six times as long
}

const (
	defaultTimeout = 10 * time.Second
	// slowFactor is how much longer than Timeout a call may take that moves whole collections.
	slowFactor = 6
	// maxAnswer bounds one answer of the server: 16,384 candidates without fields are far below it.
	maxAnswer = 64 << 20
)

// Client speaks to one server. It connects when it is first used, and again after the server was away. A server that
// can't be reached gives a rag.Problem of kind rag.ErrUnavailable; the caller's own cancellation or deadline is passed
// on. It is safe for concurrent use.
type Client struct {
	cfg Config
	log *slog.Logger

	mu      sync.Mutex
	native  *client.GrpcClient
	address string                   // that native dials
	server  *server                  // what answered there; nil until it was asked
	ensured map[string]bool          // physical collections that were found whole
	sparse  map[string]bool          // physical collections that have the sparse column
	writing map[string]chan struct{} // a token a physical collection: who holds it may change it
}

// New makes a client without connecting.
func New(cfg Config, log *slog.Logger) *Client {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	return &Client{
		cfg: cfg, log: log.With("component", "milvus"),
		ensured: map[string]bool{}, sparse: map[string]bool{}, writing: map[string]chan struct{}{},
	}
}

// Close ends the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hangUp()
}

func (c *Client) hangUp() error {
	native := c.native
	c.native, c.server = nil, nil
	clear(c.ensured)
	clear(c.sparse)
	if native == nil {
		return nil
	}
	return native.Close()
}

// Health says what answers.
type Health struct {
	Version string
	Lite    bool // it is Milvus Lite
	Sparse  bool // it can hold sparse vectors: Milvus 2.4 and later, and Milvus Lite
}

// Ping asks the server for its version.
func (c *Client) Ping(ctx context.Context) (Health, error) {
	s, err := c.identify(ctx)
	if err != nil {
		return Health{}, c.explain(ctx, "ping", err)
	}
	return Health{Version: s.version, Lite: s.lite, Sparse: s.sparse()}, nil
}

// server is what is known of the server that answers.
type server struct {
	version      string
	lite         bool
	major, minor int // of a real server; 0 where the version can't be read
}

// newServer reads a version such as "v2.6.1", "milvus_lite-3.2.2", or "v2.3.5-lite", which is a real server: the one of
// the Python package milvus.
func newServer(version string) server {
	s := server{version: version, lite: strings.HasPrefix(version, "milvus_lite") || strings.HasPrefix(version, "milvus-lite")}
	if !s.lite {
		// A version that can't be read leaves 0.0: dense only, no scalar indexes, which every server can do.
		_, _ = fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d", &s.major, &s.minor)
	}
	return s
}

func (s server) sparse() bool { return s.lite || s.major > 2 || s.major == 2 && s.minor >= 4 }

// identify asks the server what it is.
func (c *Client) identify(ctx context.Context) (server, error) {
	native, err := c.connection(ctx)
	if err != nil {
		return server{}, err
	}
	version, err := native.GetVersion(ctx)
	if err != nil {
		return server{}, err
	}
	s := newServer(version)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil || c.server.version != version {
		c.log.InfoContext(ctx, "connected", "address", c.address, "version", version)
	}
	c.server = &s
	return s, nil
}

// call runs do against the server and explains its error, naming the operation.
func (c *Client) call(ctx context.Context, operation string, do func(*client.GrpcClient, server) error) error {
	native, err := c.connection(ctx)
	if err != nil {
		return c.explain(ctx, operation, err)
	}
	s, err := c.known(ctx)
	if err != nil {
		return c.explain(ctx, operation, err)
	}
	return c.explain(ctx, operation, do(native, s))
}

func (c *Client) known(ctx context.Context) (server, error) {
	c.mu.Lock()
	s := c.server
	c.mu.Unlock()
	if s != nil {
		return *s, nil
	}
	return c.identify(ctx)
}

// connection gives the connection, which gRPC makes when it is needed and makes again when it broke.
func (c *Client) connection(ctx context.Context) (*client.GrpcClient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	address := c.cfg.Address()
	if c.native != nil && c.address == address {
		return c.native, nil
	}
	if err := c.hangUp(); err != nil {
		c.log.DebugContext(ctx, "hang up", "address", c.address, "error", err)
	}
	dialed, err := client.NewClient(ctx, client.Config{
		Address: address, Username: c.cfg.User, Password: c.cfg.Password, EnableTLSAuth: c.cfg.TLS, DBName: c.cfg.Database,
		DialOptions: c.dialOptions(address),
		// Where a server says "too fast", a call is tried 3 times within a tenth of a second; more patience is the queue's.
		RetryRateLimit: &client.RetryRateLimitOption{MaxRetry: 3, MaxBackoff: 100 * time.Millisecond},
		DisableConn:    true, // its greeting would need the server to be there
	})
	if err != nil {
		return nil, &rag.Problem{
			Kind: rag.ErrInvalid, Code: "milvus_address", Err: err,
			Message: fmt.Sprintf("Milvus's address %q is not host:port; correct the setting milvus_address", address),
		}
	}
	native, ok := dialed.(*client.GrpcClient)
	if !ok {
		return nil, fmt.Errorf("the Milvus SDK gave a %T", dialed)
	}
	c.native, c.address = native, address
	return native, nil
}

func (c *Client) dialOptions(address string) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithNoProxy(),
		grpc.WithChainUnaryInterceptor(c.intercept),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
	}
	if !loopback(address) { // a host that lost power sends no goodbye
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}))
	}
	return options
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// exclusive waits for the right to change a physical collection and gives the function that hands it back. Milvus Lite
// takes no concurrent writes to one collection, and two creations at once are of no use anywhere.
func (c *Client) exclusive(ctx context.Context, name string) (release func(), err error) {
	c.mu.Lock()
	token, ok := c.writing[name]
	if !ok {
		token = make(chan struct{}, 1)
		c.writing[name] = token
	}
	c.mu.Unlock()
	select {
	case token <- struct{}{}:
		return func() { <-token }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
