package app

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/redkite/redkite/internal/blob"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/rag"
)

// blobs are the uploaded originals, in the data folder or in a bucket.
type blobs interface {
	ingest.Blobs
	ingest.Originals
	Ping(ctx context.Context) error
	Close() error
}

// blobsTimeout bounds the look at a bucket when the server starts.
const blobsTimeout = time.Minute

// openBlobs opens the store of originals. A bucket that is set up wrongly is an error; one that is away is waited for, as
// Milvus is.
func openBlobs(ctx context.Context, s config.Settings, log *slog.Logger) (blobs, error) {
	if s.BlobURL == "" {
		return blob.OpenDir(blobsFolder(s))
	}
	bucket, err := openBucket(ctx, s)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, blobsTimeout)
	defer cancel()
	err = bucket.Check(limited)
	switch {
	case err == nil:
		return bucket, nil
	case errors.Is(err, rag.ErrUnavailable) && !errors.Is(err, blob.ErrSetup), ctx.Err() == nil && limited.Err() != nil:
		log.WarnContext(ctx, "the bucket of originals is away; uploads are refused until it answers", "error", err)
		return bucket, nil
	}
	var problem *rag.Problem
	if errors.As(err, &problem) {
		err = problem // what to do comes first
	}
	return nil, errors.Join(err, bucket.Close())
}

// openBucket opens the bucket that is set. Originals out of it lie in the cache while they are read.
func openBucket(ctx context.Context, s config.Settings) (*blob.S3, error) {
	return blob.OpenS3(ctx, blob.S3Config{URL: s.BlobURL, Spool: filepath.Join(s.Data, "cache", "originals")})
}

func blobsFolder(s config.Settings) string { return filepath.Join(s.Data, "blobs") }

// checkBlobs tries the store of originals for the doctor.
func checkBlobs(ctx context.Context, s config.Settings) (string, error) {
	if s.BlobURL == "" {
		return "in " + blobsFolder(s), nil
	}
	bucket, err := openBucket(ctx, s)
	if err != nil {
		return "", err
	}
	if err := errors.Join(bucket.Check(ctx), bucket.Close()); err != nil {
		return "", err
	}
	return "the bucket takes, gives back and removes objects", nil
}
