// Package tesseract reads text off pictures with Debian's tesseract, a child process for each.
package tesseract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config says which tesseract reads, and how long.
type Config struct {
	Command  string        // name on the PATH, or path. Defaults to tesseract.
	Language string        // as tesseract names them: eng, or deu+eng. Defaults to eng.
	Timeout  time.Duration // of a picture. Defaults to a minute.
	Parallel int           // processes at the same time. Defaults to one a core.
}

// Tesseract starts the processes. Several goroutines may use it.
type Tesseract struct {
	config Config
	slots  chan struct{}
}

// New makes a Tesseract. Whether the program is there is seen at the first picture, or by Check.
func New(c Config) *Tesseract {
	if c.Command == "" {
		c.Command = "tesseract"
	}
	if c.Language == "" {
		c.Language = "eng"
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Parallel == 0 {
		c.Parallel = runtime.GOMAXPROCS(0)
	}
	return &Tesseract{config: c, slots: make(chan struct{}, c.Parallel)}
}

const (
	maxOutput = 4 << 20 // bytes of text of one picture
	niceness  = 10      // below what serves queries
	afterKill = time.Second
)

// Recognize gives the text on a picture, with empty lines between paragraphs. It waits while every slot is taken; the
// time of a picture begins after that.
func (t *Tesseract) Recognize(ctx context.Context, picture *image.Gray, dpi int) (string, error) {
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-t.slots }()
	limited, cancel := context.WithTimeout(ctx, t.config.Timeout)
	defer cancel()
	text, err := t.run(limited, pgm(picture), "stdin", "stdout", "-l", t.config.Language, "--dpi", strconv.Itoa(dpi))
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case limited.Err() != nil:
		return "", fmt.Errorf("%s took longer than %s", t.config.Command, t.config.Timeout)
	}
	return strings.ReplaceAll(text, "\f", ""), err
}

// run starts the program, feeds it, and ends it with its context.
func (t *Tesseract) run(ctx context.Context, stdin []byte, args ...string) (string, error) {
	command := exec.CommandContext(ctx, t.config.Command, args...)
	command.Stdin = bytes.NewReader(stdin)
	command.Env = append(command.Environ(), "OMP_THREAD_LIMIT=1")
	command.WaitDelay = afterKill
	out, said := &bounded{most: maxOutput}, &bounded{most: 2000}
	command.Stdout, command.Stderr = out, said
	if err := command.Start(); err != nil {
		return "", fmt.Errorf("start %s: %w", t.config.Command, err)
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, command.Process.Pid, niceness) // what is over already needs none
	if err := command.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", t.config.Command, err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// Check gives the program's version, or says what is missing.
func (t *Tesseract) Check(ctx context.Context) (string, error) {
	version, err := t.run(ctx, nil, "--version")
	if err != nil {
		return "", err
	}
	listed, err := t.run(ctx, nil, "--list-langs")
	if err != nil {
		return "", err
	}
	installed := strings.Fields(listed)
	for language := range strings.SplitSeq(t.config.Language, "+") {
		if !slices.Contains(installed, language) {
			return "", fmt.Errorf("%s has no language %q", t.config.Command, language)
		}
	}
	first, _, _ := strings.Cut(version, "\n")
	return first + ", " + t.config.Language, nil
}

// Missing reports whether an error says that the program is not there.
func Missing(err error) bool { return errors.Is(err, exec.ErrNotFound) }

// pgm writes a picture as tesseract can read it without unpacking.
func pgm(picture *image.Gray) []byte {
	bounds := picture.Bounds()
	out := fmt.Appendf(make([]byte, 0, bounds.Dx()*bounds.Dy()+32), "P5\n%d %d\n255\n", bounds.Dx(), bounds.Dy())
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		from := picture.PixOffset(bounds.Min.X, y)
		out = append(out, picture.Pix[from:from+bounds.Dx()]...)
	}
	return out
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, b.most-b.Len()))])
	return len(p), nil
}
