package parse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// pdfEngine is PDFium, compiled at the first PDF: seconds, or a tenth of one from the cache.
type pdfEngine struct {
	cacheDir string

	mu      sync.Mutex
	closed  bool
	started chan struct{} // closed when the start that is under way has ended; nil before the first and after a failed one
	pool    pdfium.Pool
	cache   wazero.CompilationCache
	err     error
}

// start gives the engine. The compilation goes on where ctx ends first, for the next document.
func (e *pdfEngine) start(ctx context.Context) (pdfium.Pool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, errors.New("start PDF engine: the registry is closed")
	}
	if e.started == nil {
		e.started = make(chan struct{})
		go e.compile(e.started)
	}
	started := e.started
	e.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-started:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pool == nil {
		return nil, errors.Join(errors.New("start PDF engine"), e.err)
	}
	return e.pool, nil
}

func (e *pdfEngine) compile(started chan struct{}) {
	pool, cache, err := openPDFium(e.cacheDir)
	e.mu.Lock()
	defer e.mu.Unlock()
	defer close(started)
	e.pool, e.cache, e.err = pool, cache, err
	if err != nil {
		e.started = nil // the next document tries again
	}
}

// openPDFium compiles PDFium. It has no file system; a busy instance can be stopped.
func openPDFium(cacheDir string) (pdfium.Pool, wazero.CompilationCache, error) {
	cache := wazero.NewCompilationCache()
	if cacheDir != "" {
		if err := os.MkdirAll(cacheDir, 0o750); err != nil {
			return nil, nil, fmt.Errorf("make PDF engine's cache: %w", err)
		}
		onDisk, err := wazero.NewCompilationCacheWithDir(cacheDir)
		if err != nil {
			return nil, nil, fmt.Errorf("open PDF engine's cache: %w", err)
		}
		cache = onDisk
	}
	pool, err := webassembly.Init(webassembly.Config{
		MaxTotal: max(1, runtime.GOMAXPROCS(0)),
		FSConfig: wazero.NewFSConfig(),
		RuntimeConfig: wazero.NewRuntimeConfig().
			WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
			WithMemoryLimitPages(maxInstancePages).WithCloseOnContextDone(true).WithCompilationCache(cache),
		Stdout: io.Discard, Stderr: io.Discard,
	})
	if err != nil {
		return nil, nil, errors.Join(err, cache.Close(context.Background()))
	}
	return pool, cache, nil
}

// maxInstancePages bounds the memory of one instance to 1 GiB, in WebAssembly pages of 64 KiB.
const maxInstancePages = 1 << 30 / (64 << 10)

// close ends the engine, once a start that is under way has ended.
func (e *pdfEngine) close() error {
	e.mu.Lock()
	e.closed = true
	started := e.started
	e.mu.Unlock()
	if started == nil {
		return nil
	}
	<-started
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pool == nil {
		return nil
	}
	err := errors.Join(e.pool.Close(), e.cache.Close(context.Background()))
	e.pool = nil
	return err
}
