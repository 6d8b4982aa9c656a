package parse

import (
	"context"
	"fmt"
	"io"

	"github.com/redkite/redkite/internal/rag"
)

// mostMarkup bounds, in bytes, the originals of which a tree or a list of symbols is made, in many times their size.
const mostMarkup = 16 << 20

// readMost reads a whole original. One that is too large for that is a rag.Problem of code "too_large".
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

// readDecoded reads a whole original as UTF-8 with plain newlines.
func readDecoded(ctx context.Context, o rag.Original, b *builder) (string, error) {
	r, err := decoded(ctx, o, b)
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("read original: %w", err)
	}
	return newlines(string(raw)), nil
}

// plainInstead reads as plain text what is too large to be read as what it is.
func plainInstead(ctx context.Context, o rag.Original, b *builder, format string) error {
	b.warn(rag.WarnReadAsPlainText, "files of this format (%s) are read up to %d bytes, and this is more: the file was read as plain text", format, mostMarkup)
	return streamText(ctx, o, b)
}
