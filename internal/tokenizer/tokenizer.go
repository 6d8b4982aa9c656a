//go:build cgo

// Package tokenizer turns text into the token ids that a model reads, with Hugging Face's own tokenizers (through
// github.com/daulet/tokenizers). Special tokens are never added here, and a special token spelled out in a text, such
// as a literal "[SEP]", is text: pairs are assembled from ids by package encode.
package tokenizer

import (
	"fmt"
	"os"
	"sync"

	"github.com/daulet/tokenizers"

	"github.com/redkite/redkite/internal/encode"
)

// Tokenizer encodes texts; it may be used by many goroutines at once.
type Tokenizer struct {
	template encode.Template

	mu     sync.RWMutex // held shared while the native tokenizer is used, and alone to close it
	native *tokenizers.Tokenizer
}

// Open reads a tokenizer.json.
func Open(path string) (*Tokenizer, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open tokenizer: %w", err)
	}
	template, err := readTemplate(raw)
	if err != nil {
		return nil, fmt.Errorf("open tokenizer %s: %w", path, err)
	}
	native, err := tokenizers.FromBytes(raw, tokenizers.WithEncodeSpecialTokens())
	if err != nil {
		return nil, fmt.Errorf("open tokenizer %s: %w", path, err)
	}
	return &Tokenizer{template: template, native: native}, nil
}

// Template says where the model's special tokens stand.
func (t *Tokenizer) Template() encode.Template { return t.template }

// Encode gives the token ids of text without special tokens. NUL characters are dropped and invalid UTF-8 is replaced;
// text beyond 128 KiB, more than any encoder reads, is left out.
func (t *Tokenizer) Encode(text string) ([]int32, error) {
	encoding, err := t.encode(clean(text))
	if err != nil {
		return nil, err
	}
	ids := make([]int32, len(encoding.IDs))
	for i, id := range encoding.IDs {
		ids[i] = int32(id)
	}
	return ids, nil
}

// Offsets gives the byte range of every token in text as given, of whatever length.
func (t *Tokenizer) Offsets(text string) ([][2]int, error) {
	text = sameLength(text)
	var offsets [][2]int
	for start := 0; start < len(text); {
		piece := text[start : start+nextPiece(text[start:])]
		encoding, err := t.encode(piece, tokenizers.WithReturnOffsets())
		if err != nil {
			return nil, err
		}
		for _, o := range encoding.Offsets {
			offsets = append(offsets, [2]int{start + int(o[0]), start + int(o[1])})
		}
		start += len(piece)
	}
	return offsets, nil
}

func (t *Tokenizer) encode(text string, options ...tokenizers.EncodeOption) (tokenizers.Encoding, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	encoding, err := t.native.EncodeWithOptionsErr(text, false, options...)
	if err != nil {
		return encoding, fmt.Errorf("tokenize %d bytes: %w", len(text), err)
	}
	return encoding, nil
}

// Close frees the native tokenizer once no encoding uses it. Later encodings give an error.
func (t *Tokenizer) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.native == nil {
		return nil
	}
	native := t.native
	t.native = nil
	return native.Close()
}
