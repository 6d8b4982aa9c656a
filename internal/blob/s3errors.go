package blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/redkite/redkite/internal/rag"
)

// ErrSetup marks what waiting does not mend: credentials that are missing or refused, a bucket that does not exist.
var ErrSetup = errors.New("the bucket is not set up")

// noCredentials says that no source of credentials had any.
type noCredentials struct{ err error }

func (e *noCredentials) Error() string { return "get credentials: " + e.err.Error() }
func (e *noCredentials) Unwrap() error { return e.err }

// isMissing tells a missing object from a missing bucket, which gocloud.dev calls by the same name.
func isMissing(err error) bool {
	return gcerrors.Code(err) == gcerrors.NotFound && codeOf(err) != "NoSuchBucket"
}

// codeOf gives the code that the store named its error by.
func codeOf(err error) string {
	var named interface{ ErrorCode() string }
	if errors.As(err, &named) {
		return named.ErrorCode()
	}
	return ""
}

// statusOf gives the HTTP status of the store's answer, 0 where there was none.
func statusOf(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// refused tells whether the store will not take such a request later either.
func refused(status int, code string) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	}
	return slices.Contains([]string{"AuthorizationHeaderMalformed", "ExpiredToken", "InvalidBucketName", "InvalidToken", "PermanentRedirect"}, code)
}

// explain tells what to do about an error: stop (the caller's own context), mend the set-up, or wait.
func (s *S3) explain(ctx context.Context, operation string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w", operation, cause)
	}
	var none *noCredentials
	status, code := statusOf(err), codeOf(err)
	switch {
	case errors.As(err, &none):
		err = s.setup("storage_credentials", err, "no credentials were found for the bucket %s; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another source that the AWS SDK reads", s.name)
	case status == http.StatusNotFound && (code == "NoSuchBucket" || code == "NotFound" || code == ""):
		err = s.setup("storage_bucket_missing", err, "the bucket %s does not exist; create it, or correct the setting blob-url", s.name)
	case refused(status, code):
		err = s.setup("storage_refused", err, "the bucket %s refuses redkite (%s); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the region in blob-url, and that they may read, write, list and delete", s.name, code)
	default:
		err = rag.Unavailable("storage", err)
	}
	return fmt.Errorf("%s: %w", operation, err)
}

func (s *S3) setup(code string, err error, format string, args ...any) error {
	return &rag.Problem{
		Kind: rag.ErrUnavailable, Code: code, RetryAfter: time.Minute, Err: fmt.Errorf("%w: %w", ErrSetup, err),
		Message: fmt.Sprintf(format, args...),
	}
}
