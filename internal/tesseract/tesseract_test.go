package tesseract

import (
	"context"
	"errors"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Required is the variable that makes a missing tesseract an error and no reason to skip.
const required = "REDKITE_TEST_TESSERACT"

// script makes a program of shell lines that stands in for tesseract.
func script(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tesseract")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRecognizeFeedsTheProgram(t *testing.T) {
	command := script(t, `head -c 15 | tr '\n' ' '; echo "$@ $OMP_THREAD_LIMIT"; ps -o ni= -p $$`)
	text, err := New(Config{Command: command, Language: "deu+eng"}).Recognize(t.Context(), image.NewGray(image.Rect(0, 0, 3, 2)), 300)
	if err != nil || !strings.HasPrefix(text, "P5 3 2 255 ") || !strings.Contains(text, "stdin stdout -l deu+eng --dpi 300 1") {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestRecognizeEnds(t *testing.T) {
	endless := script(t, "exec sleep 60\n")
	start := time.Now()
	if _, err := New(Config{Command: endless, Timeout: 50 * time.Millisecond}).Recognize(t.Context(), image.NewGray(image.Rect(0, 0, 1, 1)), 300); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("over its time: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := New(Config{Command: endless}).Recognize(ctx, image.NewGray(image.Rect(0, 0, 1, 1)), 300); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its context over: %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestFailuresSayWhatHappened(t *testing.T) {
	if _, err := New(Config{Command: script(t, "echo no such language >&2; exit 1\n")}).Recognize(t.Context(), image.NewGray(image.Rect(0, 0, 1, 1)), 300); err == nil || !strings.Contains(err.Error(), "no such language") {
		t.Errorf("got %v", err)
	}
	_, err := New(Config{Command: "no-such-tesseract"}).Check(t.Context())
	if !Missing(err) {
		t.Errorf("got %v", err)
	}
}

func TestCheckLooksForTheLanguages(t *testing.T) {
	command := script(t, "[ \"$1\" = --version ] && echo 'tesseract 5.3.0' || printf 'List:\\neng\\nosd\\n'\n")
	if got, err := New(Config{Command: command}).Check(t.Context()); err != nil || got != "tesseract 5.3.0, eng" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := New(Config{Command: command, Language: "eng+deu"}).Check(t.Context()); err == nil || !strings.Contains(err.Error(), `"deu"`) {
		t.Errorf("got %v", err)
	}
}

func TestOneProcessASlot(t *testing.T) {
	dir := t.TempDir()
	command := script(t, "mkdir "+dir+"/lock || exit 1; sleep 0.05; rmdir "+dir+"/lock\n")
	reader := New(Config{Command: command, Parallel: 1})
	done := make(chan error)
	for range 4 {
		go func() {
			_, err := reader.Recognize(t.Context(), image.NewGray(image.Rect(0, 0, 1, 1)), 300)
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestInstalledTesseract(t *testing.T) {
	if _, err := exec.LookPath("tesseract"); err != nil && os.Getenv(required) == "" {
		t.Skip("tesseract is not installed (apt-get install tesseract-ocr); set " + required + "=1 to make that an error")
	}
	if got, err := New(Config{}).Check(t.Context()); err != nil || !strings.HasPrefix(got, "tesseract ") {
		t.Errorf("got %q, %v", got, err)
	}
}
