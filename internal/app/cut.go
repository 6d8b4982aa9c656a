package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/chunk"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/ingest"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/parse"
	"github.com/redkite/redkite/internal/rag"
	"github.com/redkite/redkite/internal/tokenizer"
)

// CutFile is a file as ingestion would cut it.
type CutFile struct {
	MediaType string
	Title     string
	Text      string // the normalised text that spans point into
	Pages     int    // 0 where the format has none
	Blocks    map[rag.BlockKind]int
	Warnings  []rag.Warning
	Chunking  rag.Chunking
	Chunks    []rag.Chunk
}

// Cut parses and cuts a file on this machine, with the tokenizer of the default bi-encoder and without a server.
func Cut(ctx context.Context, s config.Settings, path string, asked api.NewChunking) (cut CutFile, err error) {
	store, err := OpenModels(s)
	if err != nil {
		return cut, err
	}
	spec, err := pick(store, model.BiEncoder, s.BiEncoder)
	if err != nil {
		return cut, err
	}
	tokens, err := tokenizer.Open(store.Path(spec, model.RoleTokenizer))
	if err != nil {
		return cut, err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	prefix, err := passagePrefix(tokens, spec)
	if err != nil {
		return cut, err
	}
	encoder := biEncoder{Tokenizer: tokens, spec: spec, prefix: prefix}
	if cut.Chunking, err = chunk.Settle(rag.NewChunking(asked), rag.Chunking{}, encoder.MaxTokens()); err != nil {
		return cut, err
	}
	parsers := parse.New(parse.Options{CacheDir: pdfCache(s), Recognizer: newRecognizer(s), RecognizePages: s.OCRMaxPages})
	defer func() { err = errors.Join(err, parsers.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, s.ParseTimeout)
	defer cancel()
	parsed, mediaType, err := parseFile(ctx, parsers, path)
	if err != nil {
		return cut, err
	}
	cut.MediaType, cut.Title, cut.Text, cut.Pages, cut.Warnings = mediaType, parsed.Title, parsed.Text, parsed.Pages, parsed.Warnings
	cut.Blocks = map[rag.BlockKind]int{}
	for _, b := range parsed.Blocks {
		cut.Blocks[b.Kind]++
	}
	if cut.Chunks, err = chunk.Split(parsed, cut.Chunking, tokens); err != nil {
		return cut, fmt.Errorf("cut %s: %w", path, err)
	}
	return cut, nil
}

// parseFile parses a file by what its bytes say it is.
func parseFile(ctx context.Context, parsers *parse.Registry, path string) (rag.Parsed, string, error) {
	file, err := os.Open(path)
	if err != nil {
		return rag.Parsed{}, "", err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return rag.Parsed{}, "", fmt.Errorf("read %s: %w", path, err)
	}
	head := make([]byte, ingest.SniffBytes)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return rag.Parsed{}, "", fmt.Errorf("read %s: %w", path, err)
	}
	mediaType, known := parsers.Sniff(filepath.Base(path), head[:n])
	if !known {
		return rag.Parsed{}, "", fmt.Errorf("%s: files of this type (%s) can't be read", path, mediaType)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return rag.Parsed{}, "", fmt.Errorf("read %s: %w", path, err)
	}
	parsed, err := parsers.Parse(ctx, rag.Original{ReadSeeker: file, Size: size, MediaType: mediaType, Name: filepath.Base(path)})
	if err != nil {
		return rag.Parsed{}, "", fmt.Errorf("parse %s: %w", path, err)
	}
	return parsed, mediaType, nil
}
