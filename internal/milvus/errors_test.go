package milvus

import (
	"context"
	"errors"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/redkite/redkite/internal/rag"
)

func TestRefused(t *testing.T) {
	for name, reply := range map[string]any{
		"newer code only": &milvuspb.MutationResult{Status: &commonpb.Status{Code: 1, Reason: "boom"}}, // Milvus Lite's unexpected error
		"older code only": &commonpb.Status{ErrorCode: commonpb.ErrorCode_UnexpectedError, Reason: "boom"},
	} {
		var r *refusal
		if err := refused("Upsert", reply); !errors.As(err, &r) || r.reason != "boom" || away(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, reply := range map[string]any{
		"success": &commonpb.Status{}, "success inside": &milvuspb.BoolResponse{Status: &commonpb.Status{}}, "no status": &milvuspb.BoolResponse{}, "another message": 1,
	} {
		if err := refused("Upsert", reply); err != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestExplain(t *testing.T) {
	c := New(Config{}, testLog(t))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	down := status.Error(codes.Unavailable, "refused")
	tests := []struct {
		name string
		ctx  context.Context
		err  error
		is   error
		code string
	}{
		{"down", t.Context(), down, rag.ErrUnavailable, "milvus_unavailable"},
		{"slow", t.Context(), status.Error(codes.DeadlineExceeded, "slow"), rag.ErrUnavailable, "milvus_unavailable"},
		{"starting", t.Context(), &refusal{code: 1, legacy: commonpb.ErrorCode_NotReadyServe, reason: "not ready"}, rag.ErrUnavailable, "milvus_unavailable"},
		{"too fast", t.Context(), &refusal{code: 8, legacy: commonpb.ErrorCode_RateLimit}, rag.ErrUnavailable, "milvus_unavailable"},
		{"wrong password", t.Context(), status.Error(codes.Unauthenticated, "auth check failure"), rag.ErrUnavailable, "milvus_unauthorized"},
		{"the caller went", ended, down, context.Canceled, "internal"},
		{"something else", t.Context(), &refusal{code: 1100, reason: "bad"}, nil, "internal"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := c.explain(test.ctx, "search", test.err)
			if test.is != nil && !errors.Is(err, test.is) || test.is == nil && errors.Is(err, rag.ErrUnavailable) {
				t.Errorf("got %v, want %v", err, test.is)
			}
			if got := rag.FailureOf(err); got.Code != test.code {
				t.Errorf("code %q, want %q", got.Code, test.code)
			}
		})
	}
}
