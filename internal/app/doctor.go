package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/bert"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/milvus"
	"github.com/redkite/redkite/internal/model"
	"github.com/redkite/redkite/internal/onnx"
	"github.com/redkite/redkite/internal/rag"
)

// Check is one finding of Doctor.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`         // what was found
	Mend   string `json:"mend,omitempty"` // what to do, where something is wrong
}

// doctorTimeout bounds each check.
const doctorTimeout = time.Minute

// Doctor looks at everything that a server needs, without starting one: the library, the models, Milvus, the catalog,
// the store of originals and the disk. Each check says what it found and, where that is wrong, how to mend it.
func Doctor(ctx context.Context, s config.Settings, log *slog.Logger) []Check {
	checks := []struct {
		name string
		run  func(ctx context.Context) (detail string, err error)
		mend string
	}{
		{"data folder", func(context.Context) (string, error) { return checkData(s.Data) }, "make the folder writable, or set --data to another"},
		{"ONNX Runtime", func(context.Context) (string, error) { return checkRuntime(s) }, "run 'make deps', or set --onnxruntime-library to the library's path"},
		{"processor", func(context.Context) (string, error) { return checkProcessor() }, "int8 models are slower here; fp32 ones may be quicker, add them with 'redkite models add'"},
		{"models", func(ctx context.Context) (string, error) { return checkModels(ctx, s) }, "restore the models folder, or add the model again with 'redkite models'"},
		{"catalog", func(ctx context.Context) (string, error) { return checkCatalog(ctx, s, log) }, mendCatalog(s)},
		{"blobs", func(ctx context.Context) (string, error) { return checkBlobs(ctx, s) }, "check blob-url, the credentials and what they permit (docs/blobs.md)"},
		{"ocr", func(ctx context.Context) (string, error) { return checkOCR(ctx, s) }, "install it (Debian: apt-get install tesseract-ocr, and tesseract-ocr-deu for German and so on), or set ocr to none (docs/ocr.md)"},
		{"milvus", func(ctx context.Context) (string, error) { return checkMilvus(ctx, s, log) }, "run 'make deps' for the embedded one; for a server check --milvus-address and that it runs"},
	}
	findings := make([]Check, 0, len(checks))
	for _, c := range checks {
		limited, cancel := context.WithTimeout(ctx, doctorTimeout)
		detail, err := c.run(limited)
		cancel()
		finding := Check{Name: c.name, OK: err == nil, Detail: detail}
		if err != nil {
			finding.Detail, finding.Mend = err.Error(), c.mend
			var problem *rag.Problem
			if errors.As(err, &problem) {
				finding.Detail = problem.Message
			}
		}
		findings = append(findings, finding)
	}
	return findings
}

// leastDisk is the free space below which the data folder is called too full, in bytes.
const leastDisk = 1 << 30

func checkData(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return "", err
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return "", err
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return "", fmt.Errorf("look at the disk of %s: %w", dir, err)
	}
	free := disk.Bavail * uint64(disk.Bsize)
	if free < leastDisk {
		return "", fmt.Errorf("only %d MiB are free on the disk of %s", free>>20, dir)
	}
	return fmt.Sprintf("%s is writable, %d GiB free", dir, free>>30), nil
}

func checkRuntime(s config.Settings) (string, error) {
	library, err := findRuntime(s)
	if err != nil {
		return "", err
	}
	r, err := onnx.Open(library)
	if err != nil {
		return "", err
	}
	return "version " + r.Version() + " at " + library, r.Close()
}

// checkProcessor looks for the instructions that int8 models are quick with.
func checkProcessor() (string, error) {
	cores := fmt.Sprintf("%d cores", runtime.GOMAXPROCS(0))
	switch {
	case onnx.Saturates():
		return "", errors.New(cores + ", without VNNI instructions")
	case len(bert.Supported()) > 0:
		return fmt.Sprintf("%s, redkite's kernels for %s", cores, bert.Supported()[len(bert.Supported())-1]), nil
	case runtime.GOARCH == "amd64":
		return cores + ", with VNNI", nil
	}
	return cores, nil
}

func checkModels(ctx context.Context, s config.Settings) (string, error) {
	store, err := OpenModels(s)
	if err != nil {
		return "", err
	}
	var names []string
	for _, spec := range store.List() {
		if err := store.Verify(ctx, spec.Name, nil); err != nil {
			return "", err
		}
		names = append(names, spec.Name)
	}
	for kind, name := range map[model.Kind]string{model.BiEncoder: s.BiEncoder, model.CrossEncoder: s.CrossEncoder} {
		if _, err := pick(store, kind, name); err != nil {
			return "", err
		}
	}
	return strings.Join(names, ", ") + " are whole", nil
}

func mendCatalog(s config.Settings) string {
	if s.CatalogURL != "" {
		return "check catalog-url, and that PostgreSQL runs and the user may use the database"
	}
	return "restore the data folder from a backup, or start with an empty --data"
}

func checkCatalog(ctx context.Context, s config.Settings, log *slog.Logger) (string, error) {
	path := catalogFile(s)
	if _, err := os.Stat(path); s.CatalogURL == "" && errors.Is(err, os.ErrNotExist) {
		return "none yet; a server makes it at " + path, nil
	}
	c, err := openCatalog(ctx, s, log)
	if err != nil {
		return "", err
	}
	defer c.Close()
	switch found, err := c.Migrated(ctx); {
	case err != nil:
		return "", err
	case !found:
		return c.Where() + " answers and is empty; a server makes the tables", nil
	}
	documents, err := c.DocumentsByStatus(ctx)
	if err != nil {
		return "", err
	}
	total := 0
	for _, n := range documents {
		total += n
	}
	return fmt.Sprintf("%s answers, %d documents", c.Where(), total), nil
}

func checkMilvus(ctx context.Context, s config.Settings, log *slog.Logger) (string, error) {
	address := s.MilvusAddress
	if address == "" {
		command, err := findLite(s)
		if err != nil {
			return "", err
		}
		lite, err := milvus.StartLite(ctx, milvus.LiteConfig{Command: command, DataDir: filepath.Join(s.Data, "milvus")}, log)
		if errors.Is(err, rag.ErrConflict) {
			return "the embedded Milvus is in use by a running server", nil
		}
		if err != nil {
			return "", err
		}
		defer lite.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked whether it starts
		address = lite.Address()
	}
	c := newVectors(s, func() string { return address }, log)
	defer c.Close()
	h, err := c.Ping(ctx)
	if err != nil {
		return "", err
	}
	if s.MilvusAddress == "" {
		return "embedded, version " + h.Version, nil
	}
	return s.MilvusAddress + " answers, version " + h.Version, nil
}
