package retrieve

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/redkite/redkite/internal/rag"
)

// Turn is one message of a conversation.
type Turn struct {
	Role string // RoleUser, RoleAssistant or RoleSystem
	Text string
}

// The roles of a conversation.
const (
	RoleUser      = "user"
	RoleAssistant = "assistant"
	RoleSystem    = "system"
)

// Task is what a Rewriter is asked to write.
type Task string

// The tasks.
const (
	TaskStandalone Task = "standalone" // the last turn as a question that needs no turn before it: one text
	TaskHypothesis Task = "hypothesis" // a passage that would answer the question, as it might stand in a document: one text
	TaskVariants   Task = "variants"   // the question in other words: up to Count texts
)

// Rewriting is a request to a Rewriter. What it holds comes from users and is never an instruction.
type Rewriting struct {
	Task  Task
	Turns []Turn // of the conversation, oldest first, the last one the user's
	Query string // the question, for the tasks that start from one
	Count int
}

// Rewriter writes queries with an LLM.
type Rewriter interface {
	Rewrite(ctx context.Context, r Rewriting) ([]string, error)
}

const (
	// MostVariants bounds Query.Variants, and MostQueries how many queries one search takes.
	MostVariants = 4
	MostQueries  = 8
	// mostRewriteTime bounds one call of a Rewriter; it gets at most half of what is left of the search's deadline.
	mostRewriteTime = 5 * time.Second
	// lastTurns is how many of the user's turns are combined where there is no LLM.
	lastTurns = 3
)

// standalone makes q.Text of a conversation: the last turn as it is where that needs nothing before it, else rewritten, else
// combined with the turns before it.
func (r *Retriever) standalone(ctx context.Context, q Query, res *Result) (string, error) {
	last := q.Turns[len(q.Turns)-1].Text
	if len(userTurns(q.Turns)) == 1 && !talked(q.Turns) || !NeedsContext(last) {
		return last, nil
	}
	if r.Rewriter != nil {
		written, err := r.rewritten(ctx, Rewriting{Task: TaskStandalone, Turns: q.Turns, Count: 1})
		if err == nil {
			return written[0], nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		r.Log.WarnContext(ctx, "rewrite", "error", err, "task", TaskStandalone)
		res.Degraded = append(res.Degraded, DegradedRewrite)
	}
	return Combined(q.Turns), nil
}

// rewritten calls the Rewriter within its time and leaves out blank texts; none left is an error.
func (r *Retriever) rewritten(ctx context.Context, task Rewriting) ([]string, error) {
	most := mostRewriteTime
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	texts, err := r.Rewriter.Rewrite(ctx, task)
	if err != nil {
		return nil, fmt.Errorf("rewrite a query as %s: %w", task.Task, err)
	}
	var written []string
	for _, text := range texts {
		if text = strings.TrimSpace(text); text != "" && len(written) < max(1, task.Count) {
			written = append(written, text)
		}
	}
	if len(written) == 0 {
		return nil, fmt.Errorf("rewrite a query as %s: the LLM wrote nothing", task.Task)
	}
	return written, nil
}

// refers are words that stand for what was said before, where they stand for something; opens are words with which a turn
// goes on from the one before.
const (
	refers = " it its itself they them their theirs these those he him his she her hers former latter another both neither either same there "
	opens  = " and but or so then also else otherwise instead why how "
)

// fewWords is the length up to which a turn is taken for a part of a question.
const fewWords = 3

// NeedsContext guesses, without an LLM, whether a turn needs those before it: it is short, refers to what was said, or goes
// on from it. English words only; a turn of another language needs it where it is short. It may be wrong both ways: a turn
// that stands alone is only made longer, one that does not is searched as it is.
func NeedsContext(turn string) bool {
	words := wordsOf(turn)
	if len(words) <= fewWords {
		return true
	}
	if bare := words[0]; strings.Contains(opens, " "+bare+" ") && (bare != "how" && bare != "why" || words[1] == "about" || words[1] == "come") {
		return true
	}
	if words[0] == "what" && (words[1] == "about" || words[1] == "if") {
		return true
	}
	for i, word := range words {
		if strings.Contains(refers, " "+word+" ") && !filler(words, i) {
			return true
		}
		if (word == "this" || word == "that") && (i == len(words)-1 || i > 0 && strings.Contains(" does do did is was of about for with in on to ", " "+words[i-1]+" ")) {
			return true
		}
	}
	return false
}

// filler reports whether the word at i stands for nothing, as in "is it possible to" and "is there a".
func filler(words []string, i int) bool {
	next := ""
	if i+1 < len(words) {
		next = words[i+1]
	}
	switch words[i] {
	case "it":
		return strings.Contains(" possible necessary safe true ok okay better best worth important required allowed legal common normal ", " "+next+" ")
	case "there":
		return i > 0 && strings.Contains(" is are was were be ", " "+words[i-1]+" ")
	case "same", "both", "either", "neither", "another":
		return next != "" // "both X and Y": what it stands for follows
	}
	return false
}

// Combined is a conversation's last user turns, newest first: what is cut off of a long query is the oldest.
func Combined(turns []Turn) string {
	users := userTurns(turns)
	var texts []string
	for i := len(users) - 1; i >= max(0, len(users)-lastTurns); i-- {
		texts = append(texts, strings.TrimFunc(users[i].Text, unicode.IsSpace))
		if !NeedsContext(users[i].Text) {
			break // what came before it is another subject
		}
	}
	return strings.Join(texts, "\n")
}

func userTurns(turns []Turn) []Turn {
	var out []Turn
	for _, t := range turns {
		if t.Role == RoleUser {
			out = append(out, t)
		}
	}
	return out
}

// talked reports whether an assistant has said something.
func talked(turns []Turn) bool {
	for _, t := range turns {
		if t.Role == RoleAssistant {
			return true
		}
	}
	return false
}

// needsLLM refuses options that only an LLM can do.
func (r *Retriever) needsLLM(q Query) error {
	if r.Rewriter != nil {
		return nil
	}
	const message = "%s is written by an LLM, and none is configured; set llm-url, or leave %[1]s out"
	switch {
	case q.Hypothesis:
		return rag.Invalid("/hyde", message, "hyde")
	case q.Variants > 0:
		return rag.Invalid("/multi_query", message, "multi_query")
	}
	return nil
}
