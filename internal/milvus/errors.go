package milvus

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	grpcretry "github.com/grpc-ecosystem/go-grpc-middleware/retry"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/redkite/redkite/internal/rag"
)

// refusal is an answer of the server that says no. The SDK looks at the older of its two codes only, and Milvus Lite
// sets only the newer one where it met an unexpected error: without this, a lost write would count as a success.
type refusal struct {
	method string // such as "Upsert"
	code   int32  // of Milvus 2.3.2 and later, listed in the SDK's merr package; 0 where it is not set
	legacy commonpb.ErrorCode
	reason string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("Milvus refused %s: %s (code %d/%d)", r.method, r.reason, r.code, r.legacy)
}

// clocks is how long before a deadline the server may already say that it has passed.
const clocks = 100 * time.Millisecond

// intercept bounds every call by a deadline, leaves retries to the callers, and turns an answer that says no into an
// error.
func (c *Client) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	name := path.Base(method)
	limit := c.cfg.Timeout
	if slices.Contains([]string{"LoadCollection", "Flush", "DropCollection"}, name) {
		limit *= slowFactor
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	opts = append(slices.Clone(opts), grpcretry.Disable()) // the SDK would retry a server that is down for seven seconds
	if err := invoke(limited, method, req, reply, cc, opts...); err != nil {
		return err
	}
	err := refused(name, reply)
	if deadline, ok := limited.Deadline(); ok && err != nil && time.Until(deadline) < clocks {
		// The server was told the deadline and gave up by it; its words for that differ.
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	return err
}

// refused gives the refusal in an answer, or nil.
func refused(method string, reply any) error {
	s, ok := reply.(*commonpb.Status)
	if !ok {
		answer, has := reply.(interface{ GetStatus() *commonpb.Status })
		if !has {
			return nil
		}
		s = answer.GetStatus()
	}
	//lint:ignore SA1019 older servers set nothing else
	if s.GetCode() == 0 && s.GetErrorCode() == commonpb.ErrorCode_Success {
		return nil
	}
	//lint:ignore SA1019 older servers set nothing else
	return &refusal{method: method, code: s.GetCode(), legacy: s.GetErrorCode(), reason: s.GetReason()}
}

// explain tells what to do about an error: wait (rag.ErrUnavailable), stop (the caller's own context), or look into it.
func (c *Client) explain(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if cause := endOf(ctx, err); cause != nil {
		return fmt.Errorf("%s: %w", operation, cause)
	}
	var problem *rag.Problem
	if errors.As(err, &problem) {
		return fmt.Errorf("%s: %w", operation, err)
	}
	if unauthorized(err) {
		return fmt.Errorf("%s: %w", operation, &rag.Problem{
			Kind: rag.ErrUnavailable, Code: "milvus_unauthorized", RetryAfter: time.Minute, Err: err,
			Message: "Milvus does not accept the user or password; correct the settings milvus_user and milvus_password",
		})
	}
	if away(err) {
		return fmt.Errorf("%s: %w", operation, rag.Unavailable("milvus", err))
	}
	return fmt.Errorf("%s: %w", operation, err)
}

// endOf gives the caller's own cancellation or deadline if that is what err comes from.
func endOf(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	deadline, ok := ctx.Deadline()
	if ok && status.Code(err) == codes.DeadlineExceeded && time.Until(deadline) < clocks {
		return context.DeadlineExceeded
	}
	return nil
}

// away reports whether an error says that the server can't be reached, is too slow, or is still starting.
func away(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.notReady()
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted:
		return true
	}
	// Between restarts a connection may end in the middle of a call.
	return errors.Is(err, context.DeadlineExceeded)
}

// notReady reports a refusal that passes: the server is starting, moving segments, or wants less at once.
func (r *refusal) notReady() bool {
	switch r.legacy {
	case commonpb.ErrorCode_RateLimit, commonpb.ErrorCode_NotReadyServe, commonpb.ErrorCode_NotReadyCoordActivating,
		commonpb.ErrorCode_MemoryQuotaExhausted, commonpb.ErrorCode_DiskQuotaExhausted, commonpb.ErrorCode_TimeTickLongDelay,
		commonpb.ErrorCode_ForceDeny:
		return true
	}
	switch r.code {
	case 2, 3, 4, 7, 8, 9, // service unavailable, memory, requests, disk, rate, denied
		103, 202, // not fully loaded
		401, 500, 501, 503, 601, 602, // replica, channel, segment not available
		901, 902, 903, 905: // node
		return true
	case 1: // real servers: not ready; Milvus Lite: unexpected
		return strings.Contains(r.reason, "not ready") || strings.Contains(r.reason, "not healthy")
	}
	return strings.Contains(r.reason, "no available shard")
}

func unauthorized(err error) bool {
	var r *refusal
	if errors.As(err, &r) {
		return r.code == 1400 || r.code == 1401 || r.legacy == commonpb.ErrorCode_PermissionDenied
	}
	code := status.Code(err)
	return code == codes.Unauthenticated || code == codes.PermissionDenied
}

// noCollection reports that a call was refused because its collection, or alias, is not there.
func noCollection(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	return r.code == 100 || r.code == 1600 || r.legacy == commonpb.ErrorCode_CollectionNotExists ||
		strings.Contains(r.reason, "can't find collection") || strings.Contains(r.reason, "collection not found")
}

// notLoaded reports that a call was refused because its collection is not in memory, as after a restart of Milvus Lite.
func notLoaded(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.code == 101 ||
		strings.Contains(r.reason, "not loaded"))
}

// exists reports that something was not made because it is there.
func exists(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.code == 1602 || strings.Contains(r.reason, "already exist"))
}
