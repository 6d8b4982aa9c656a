package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far long work is: a bar in a terminal, a line now and then elsewhere, nothing with --json.
type progress struct {
	o     output
	unit  string
	total int
	bar   *progressbar.ProgressBar

	mu       sync.Mutex
	done     int
	lastLine time.Time
}

// linePause is the time between two lines where there is no terminal.
const linePause = 5 * time.Second

func newProgress(o output, total int, unit string) *progress {
	p := &progress{o: o, unit: unit, total: total, lastLine: time.Now()}
	if file, ok := o.err.(*os.File); ok && isTerminal(file) && !o.json {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(file), progressbar.OptionSetDescription(unit),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
	}
	return p
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// add counts n more done; what is the last of them, or empty.
func (p *progress) add(n int, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	switch {
	case p.bar != nil:
		_ = p.bar.Add(n)
	case !p.o.json && (time.Since(p.lastLine) > linePause || p.done == p.total):
		p.lastLine = time.Now()
		if what != "" {
			what = ", last " + what
		}
		fmt.Fprintf(p.o.err, "%d of %d %s%s\n", p.done, p.total, p.unit, what)
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
