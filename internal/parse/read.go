package parse

import (
	"context"
	"fmt"
	"io"
)

const (
	// mostWhole bounds the originals that a library needs as a whole.
	mostWhole = 64 << 20
	// mostMarkup bounds those of which it makes a tree, in many times their size.
	mostMarkup = 16 << 20
)

// readAll reads a whole original. One that is too large for that is a rag.Problem of code "too_large".
func readAll(ctx context.Context, original io.Reader) ([]byte, error) {
	return readMost(ctx, original, mostWhole)
}

func readMost(ctx context.Context, original io.Reader, most int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(original, most+1))
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("read original: %w", err)
	}
	if int64(len(raw)) > most {
		return nil, tooLarge("a file of this format is read as a whole, and that only up to %d bytes; split it", most)
	}
	return raw, nil
}
