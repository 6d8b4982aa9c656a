package blob

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"

	"github.com/redkite/redkite/internal/rag"
)

// S3Config says where a bucket is and how it is used.
type S3Config struct {
	URL   string        // s3://bucket?region=...&endpoint=...&prefix=... and what else gocloud.dev's s3blob takes
	Spool string        // folder for a blob while it is read, made if it is missing
	Idle  time.Duration // a connection on which nothing moves for so long is given up; 0 means 30 s
}

const (
	defaultIdle = 30 * time.Second
	dialTimeout = 5 * time.Second
	pieceBytes  = 64 << 10
)

// OpenS3 prepares the use of a bucket; it asks the store nothing. Credentials come from where the AWS SDK looks for them.
// An address that can't be used is rag.ErrInvalid.
func OpenS3(ctx context.Context, c S3Config) (*S3, error) {
	address, prefix, err := parseS3(c.URL)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Spool, 0o750); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	if c.Idle == 0 {
		c.Idle = defaultIdle
	}
	opener := &s3blob.URLOpener{}
	bucket, err := opener.OpenBucketURL(ctx, address)
	if err != nil {
		return nil, rag.Invalid("", "setting blob-url: %s", strings.ReplaceAll(err.Error(), address.String(), address.Host))
	}
	var client *s3.Client
	if !bucket.As(&client) {
		return nil, errors.New("open blobs: gocloud.dev shows no S3 client")
	}
	client = s3.New(client.Options(), func(o *s3.Options) { settle(o, address, c.Idle) })
	if client.Options().Region == "" {
		return nil, rag.Invalid("", "setting blob-url names no region; write s3://%s?region=..., or set AWS_REGION", address.Host)
	}
	if bucket, err = s3blob.OpenBucket(ctx, client, address.Host, &opener.Options); err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", address.Host, err)
	}
	if prefix != "" {
		bucket = blob.PrefixedBucket(bucket, prefix)
	}
	return &S3{bucket: bucket, name: address.Host, spool: c.Spool}, nil
}

// parseS3 gives the address as s3blob takes it, and the prefix. Its errors never show the setting: people put secrets
// into addresses.
func parseS3(raw string) (*url.URL, string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, "", rag.Invalid("", "setting blob-url is no address; write s3://bucket?region=...")
	case u.User != nil:
		return nil, "", rag.Invalid("", "setting blob-url holds credentials; take them out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case u.Scheme != s3blob.Scheme || u.Host == "" || u.Port() != "":
		return nil, "", rag.Invalid("", "setting blob-url must be s3://bucket?region=..., with the server in &endpoint= if it is not AWS")
	case strings.Trim(u.Path, "/") != "":
		return nil, "", rag.Invalid("", "setting blob-url has a path; write a folder of the bucket as &prefix=")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, "", rag.Invalid("", "setting blob-url: what follows the ? can't be read")
	}
	if q.Has("endpoint") {
		server, err := url.Parse(q.Get("endpoint"))
		if err != nil || server.Host == "" || server.User != nil || (server.Scheme != "http" && server.Scheme != "https") {
			return nil, "", rag.Invalid("", "setting blob-url: endpoint must be http://host:port or https://host:port")
		}
		if !q.Has("use_path_style") { // what servers other than AWS understand without a wildcard in the DNS
			q.Set("use_path_style", "true")
		}
	}
	prefix := strings.Trim(q.Get("prefix"), "/")
	if prefix != "" {
		prefix += "/"
	}
	q.Del("prefix")
	return &url.URL{Scheme: u.Scheme, Host: u.Host, RawQuery: q.Encode()}, prefix, nil
}

// settle bounds every call of a client in time.
func settle(o *s3.Options, address *url.URL, idle time.Duration) {
	if o.Region == "" && address.Query().Has("endpoint") {
		o.Region = "us-east-1" // servers other than AWS have one region, and this is its name by custom
	}
	o.DisableLogOutputChecksumValidationSkipped = true // else a line on standard error for each large blob that is read
	if o.Credentials != nil {
		o.Credentials = &credentials{from: o.Credentials}
	}
	client, ok := o.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	o.HTTPClient = client.WithTransportOptions(func(t *http.Transport) {
		t.IdleConnTimeout = idle / 2
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &idleConn{Conn: conn, idle: idle}, nil
		}
	})
}

// credentials bounds how long getting some may take, and marks that there are none.
type credentials struct{ from aws.CredentialsProvider }

// Retrieve gives the credentials.
func (c *credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	limited, cancel := context.WithTimeout(ctx, shortCall)
	defer cancel()
	found, err := c.from.Retrieve(limited)
	if err != nil {
		return found, &noCredentials{err}
	}
	return found, nil
}

// idleConn is a connection that fails when nothing moves on it for a while, in either direction: writing extends the
// time for reading, since a large request is answered only at its end.
type idleConn struct {
	net.Conn
	idle time.Duration
}

func (c *idleConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write passes p on piece by piece, since one call may bring a whole part.
func (c *idleConn) Write(p []byte) (int, error) {
	written := 0
	for piece := range slices.Chunk(p, pieceBytes) {
		if err := c.SetDeadline(time.Now().Add(c.idle)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
