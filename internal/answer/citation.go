package answer

import (
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// Citation is a number in an answer that points to a passage.
type Citation struct {
	Passage rag.Passage
	At      rag.Span // the [n] in the answer, in code points
}

// Citer reads an answer as it streams and lets through only citations of passages that were shown. A number in square
// brackets, alone or in a list ([1, 3], [1-3], also in the brackets of Chinese and Japanese), is a citation: what is known
// goes on as [n], one number to a pair of brackets; what is not is dropped with the blanks before it. Brackets are held back
// until they are decided, across deltas. Code, in a fence or between backticks, passes as it is: a[0] there is no citation.
type Citer struct {
	passages []rag.Passage
	emit     func(text string, cited []Citation) error

	state   citerState
	held    strings.Builder // undecided: blanks, a bracket, or a span of code
	blanks  string          // before the bracket that is held
	long    bool            // the bracket went on beyond maxHeld: nothing of it may pass
	ticks   int             // backticks that opened the code
	closing int             // backticks in a row that may close it
	lineTop bool            // only blanks since the line began
	at      int             // code points let through

	out   strings.Builder
	cited []Citation
}

type citerState int

const (
	plain   citerState = iota
	blank              // blanks are held, a bracket may follow
	bracket            // a bracket and what could be numbers are held
	ticks              // backticks that open code are being counted
	inline             // a span of code is held until it closes or its line ends
	fenced             // inside a fence
)

const (
	// maxHeld bounds what is held back, in bytes: a bracket that goes on longer holds no citation that anybody wrote.
	maxHeld = 512
	// maxCited bounds the numbers of a range such as [1-3].
	maxCited = 100
	// fenceTicks begin a block of code.
	fenceTicks = 3
)

// NewCiter makes a Citer over the passages shown. emit gets text that is decided, and the citations in it.
func NewCiter(passages []rag.Passage, emit func(text string, cited []Citation) error) *Citer {
	return &Citer{passages: passages, emit: emit, lineTop: true}
}

// Write takes a delta.
func (c *Citer) Write(delta string) error {
	for _, r := range delta {
		c.step(r)
	}
	return c.flush()
}

// Close ends the answer: a bracket that was never closed is dropped where it could have been a citation.
func (c *Citer) Close() error {
	switch c.state {
	case inline:
		c.uncode()
		return c.Close()
	case bracket:
		if startsCitation(c.held.String()) {
			c.held.Reset()
			c.blanks = ""
		}
	}
	c.letHeld()
	c.state = plain
	return c.flush()
}

func (c *Citer) flush() error {
	if c.out.Len() == 0 {
		return nil
	}
	text, cited := c.out.String(), c.cited
	c.out.Reset()
	c.cited = nil
	return c.emit(text, cited)
}

// step takes one character.
func (c *Citer) step(r rune) {
	switch c.state {
	case plain, blank:
		c.stepPlain(r)
	case bracket:
		c.stepBracket(r)
	case ticks:
		if r == '`' {
			c.ticks++
			c.held.WriteRune(r)
			return
		}
		if c.ticks >= fenceTicks && c.lineTop {
			c.letHeld()
			c.state, c.closing = fenced, 0
			c.stepFenced(r)
			return
		}
		c.state, c.closing = inline, 0
		c.stepInline(r)
	case inline:
		c.stepInline(r)
	case fenced:
		c.stepFenced(r)
	}
}

func (c *Citer) stepPlain(r rune) {
	switch {
	case r == ' ' || r == '\t':
		if c.held.Len() >= maxHeld {
			c.letHeld()
		}
		c.held.WriteRune(r)
		c.state = blank
	case isOpen(r):
		c.blanks = c.held.String()
		c.held.Reset()
		c.held.WriteRune(r)
		c.state = bracket
	case r == '`':
		c.letHeld()
		c.held.WriteRune(r)
		c.state, c.ticks = ticks, 1
	default:
		c.letHeld()
		c.let(r)
		c.state = plain
	}
}

func (c *Citer) stepBracket(r rune) {
	switch {
	case isClose(r):
		held := c.held.String() + string(r)
		c.held.Reset()
		c.decide(held)
	case inCitation(r) || strings.ContainsRune(c.held.String(), '†') && r != '\n' && !isOpen(r):
		if c.long = c.long || c.held.Len() >= maxHeld; !c.long {
			c.held.WriteRune(r)
		}
	default: // no citation after all
		c.letHeld()
		c.state = plain
		c.stepPlain(r)
	}
}

// decide takes a closed pair of brackets: known citations pass, unknown ones are dropped, and what is no citation passes.
func (c *Citer) decide(held string) {
	blanks, long := c.blanks, c.long
	c.blanks, c.long, c.state = "", false, plain
	if long {
		return
	}
	numbers, isCitation := citedNumbers(held)
	if !isCitation {
		c.letText(blanks + held)
		return
	}
	for _, n := range numbers {
		if n < 1 || n > len(c.passages) {
			continue
		}
		c.letText(blanks)
		blanks = ""
		start := c.at
		c.letText("[" + itoa(n) + "]")
		c.cited = append(c.cited, Citation{Passage: c.passages[n-1], At: rag.Span{Start: start, End: c.at}})
	}
}

// stepInline holds a span of code back until as many backticks close it; one that its line ends is none.
func (c *Citer) stepInline(r rune) {
	if c.closing > 0 && r != '`' {
		if c.closing == c.ticks {
			c.letHeld()
			c.state = plain
			c.stepPlain(r)
			return
		}
		c.closing = 0
	}
	if r == '\n' || c.held.Len() >= maxHeld {
		c.uncode()
		c.step(r)
		return
	}
	if r == '`' {
		c.closing++
	}
	c.held.WriteRune(r)
}

// uncode takes what was held as code for text: its backticks pass, and the rest is read again.
func (c *Citer) uncode() {
	held := c.held.String()
	c.held.Reset()
	if c.state == inline && c.closing == c.ticks { // closed by the last character
		c.letText(held)
		c.state = plain
		return
	}
	c.letText(held[:c.ticks])
	c.state = plain
	for _, r := range held[c.ticks:] {
		if r == '`' {
			c.letHeld()
			c.let(r)
			c.state = plain
			continue
		}
		c.step(r)
	}
}

// stepFenced lets a block of code through, up to the line that closes it.
func (c *Citer) stepFenced(r rune) {
	if r == '`' && (c.lineTop || c.closing > 0) {
		c.closing++
	} else {
		if c.closing >= c.ticks && r == '\n' {
			c.state = plain
		}
		if c.closing < c.ticks || r != ' ' {
			c.closing = 0
		}
	}
	c.let(r)
}

// letHeld passes what is held, with the blanks before it.
func (c *Citer) letHeld() {
	held := c.blanks + c.held.String()
	if c.long {
		held = ""
	}
	c.held.Reset()
	c.blanks, c.long = "", false
	c.letText(held)
}

func (c *Citer) letText(text string) {
	for _, r := range text {
		c.let(r)
	}
}

// let passes a character.
func (c *Citer) let(r rune) {
	c.out.WriteRune(r)
	c.at++
	switch r {
	case '\n':
		c.lineTop = true
	case ' ', '\t', '>', '-', '*':
	case '`':
		if c.state != fenced {
			return // the ticks of a fence are at the top of their line themselves
		}
		c.lineTop = false
	default:
		c.lineTop = false
	}
}
