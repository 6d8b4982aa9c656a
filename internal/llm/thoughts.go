package llm

import "strings"

// What reasoning models put around their thoughts where their server does not keep those apart: DeepSeek R1 and Qwen 3 do
// so through llama.cpp, and through vLLM without a reasoning parser.
const (
	thoughtsBegin = "<think>"
	thoughtsEnd   = "</think>"
)

// thoughts takes them out of an answer as it streams. They stand at its start.
type thoughts struct {
	state thoughtState
	held  string // undecided
}

type thoughtState int

const (
	mayThink  thoughtState = iota
	thinking               // until thoughtsEnd
	thought                // blanks before the answer
	answering              // nothing is taken out any more
)

// blanks are dropped between thoughts and answer.
const blanks = " \n\t\r"

// pass gives what of a delta is answer.
func (t *thoughts) pass(delta string) string {
	if t.state == answering {
		return delta
	}
	t.held += delta
	if t.state == mayThink {
		bare := strings.TrimLeft(t.held, blanks)
		switch {
		case strings.HasPrefix(bare, thoughtsBegin):
			t.state = thinking
		case strings.HasPrefix(thoughtsBegin, bare): // the start of it, or blanks
			return ""
		default:
			return t.rest()
		}
	}
	if t.state == thinking {
		_, after, ended := strings.Cut(t.held, thoughtsEnd)
		if !ended {
			t.held = t.held[max(0, len(t.held)-len(thoughtsEnd)):] // the end may be split across deltas
			return ""
		}
		t.held, t.state = after, thought
	}
	if t.held = strings.TrimLeft(t.held, blanks); t.held == "" {
		return ""
	}
	return t.rest()
}

// rest gives what is held where no more can be thoughts: of an answer that has ended, or has begun.
func (t *thoughts) rest() string {
	held := t.held
	if t.state == thinking {
		held = "" // they never ended
	}
	t.held, t.state = "", answering
	return held
}
