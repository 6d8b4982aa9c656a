package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows how far long work is: in a terminal a bar, and below it one for each part in work; a line now and then
// elsewhere; nothing with --json.
type progress struct {
	o     output
	unit  string
	total int
	bars  *mpb.Progress // nil where there is no terminal
	whole *mpb.Bar

	mu       sync.Mutex
	done     int
	lastLine time.Time
	parts    map[string]*mpb.Bar
}

// linePause is the time between two lines where there is no terminal.
const linePause = 5 * time.Second

func newProgress(o output, total int, unit string) *progress {
	p := &progress{o: o, unit: unit, total: total, lastLine: time.Now(), parts: map[string]*mpb.Bar{}}
	if file, ok := o.err.(*os.File); ok && isTerminal(file) && !o.json {
		p.bars = mpb.New(mpb.WithOutput(file), mpb.WithWidth(70))
		p.whole = p.bars.AddBar(int64(total), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(unit+" "), decor.CountersNoUnit("%d of %d")),
			mpb.AppendDecorators(decor.AverageSpeed(0, "%.1f/s"), decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8})))
	}
	return p
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// add counts n more done; what is the last of them, or empty.
func (p *progress) add(n int, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show(p.done+n, p.total, what)
}

// set says how much is done of how much, which may have grown.
func (p *progress) set(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if done != p.done || total != p.total {
		p.show(done, total, "")
	}
}

func (p *progress) show(done, total int, what string) {
	grown := total != p.total
	p.done, p.total = done, total
	switch {
	case p.bars != nil:
		if grown {
			p.whole.SetTotal(int64(total), false)
		}
		p.whole.SetCurrent(int64(done))
	case !p.o.json && (time.Since(p.lastLine) > linePause || done == total):
		p.lastLine = time.Now()
		if what != "" {
			what = ", last " + what
		}
		fmt.Fprintf(p.o.err, "%d of %d %s%s\n", done, total, p.unit, what)
	}
}

// part shows how far a part is; of a total of 0 that is not known. Without a terminal parts are not shown.
func (p *progress) part(name string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bars == nil {
		return
	}
	bar := p.parts[name]
	if bar == nil {
		bar = p.bars.AddBar(total, mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name("  "+label(name)+" ")),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5})))
		p.parts[name] = bar
	}
	bar.SetTotal(total, false)
	bar.SetCurrent(min(done, max(0, total-1))) // a bar that is full is gone; endPart says when
}

// endPart takes away the bar of a part.
func (p *progress) endPart(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bar := p.parts[name]; bar != nil {
		bar.Abort(true)
		delete(p.parts, name)
	}
}

// shown gives the parts that have bars.
func (p *progress) shown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := make([]string, 0, len(p.parts))
	for name := range p.parts {
		names = append(names, name)
	}
	return names
}

func (p *progress) finish() {
	if p.bars == nil {
		return
	}
	for _, name := range p.shown() {
		p.endPart(name)
	}
	p.whole.Abort(true)
	p.bars.Wait()
}

// labelWidth is how much of a name a bar shows.
const labelWidth = 30

// label makes a name fit before a bar: its end tells more than its beginning. Characters that steer terminals are left
// out.
func label(name string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name))
	if len(runes) > labelWidth {
		runes = append([]rune{'…'}, runes[len(runes)-labelWidth+1:]...)
	}
	return string(runes) + strings.Repeat(" ", labelWidth-len(runes))
}
