package llm

import (
	"fmt"
	"math"
	"regexp"
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"

	"github.com/redkite/redkite/internal/answer"
)

// The tokenizers of OpenAI's models; their vocabularies are in the binary.
const (
	O200k  = "o200k_base"
	CL100k = "cl100k_base"
)

// strangerFactor is what a count is raised by for models whose tokenizer is not in the binary. Measured against cl100k_base,
// Llama 3 and 4, Qwen, DeepSeek V4 and Mistral's Tekken make 0.95 to 1.09 times as many tokens of English text, and a
// vocabulary of 32,000 words, as Llama 2 and Mistral's first have it, 1.19; of other languages all make fewer
// (docs/answers.md).
const strangerFactor = 1.2

// The families whose tokenizer is known. gpt-oss shares the words of o200k_base (o200k_harmony adds special ones).
var (
	o200kModels  = regexp.MustCompile(`^(?:[\w.-]+/)?(?:ft:)?(?:gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|gpt-oss|chatgpt-4o|o[134])(?:$|[-.:@])`)
	cl100kModels = regexp.MustCompile(`^(?:[\w.-]+/)?(?:ft:)?(?:gpt-4|gpt-3\.5|gpt-35)(?:$|[-:@])`)
)

// Counters count tokens as LLMs do.
type Counters struct {
	model         string
	o200k, cl100k func() *codec.Codec
}

// NewCounters makes counters for a server whose LLM is model; that may be empty. A vocabulary is unpacked when it is first
// used.
func NewCounters(model string) *Counters {
	return &Counters{model: model, o200k: sync.OnceValue(codec.NewO200kBase), cl100k: sync.OnceValue(codec.NewCl100kBase)}
}

// Counter gives a tokenizer by its name; with an empty name, the one that suits the LLM.
func (c *Counters) Counter(name string) (answer.Counter, error) {
	switch name {
	case O200k:
		return counter{c.o200k(), 1, O200k}, nil
	case CL100k:
		return counter{c.cl100k(), 1, CL100k}, nil
	case "":
	default:
		return nil, fmt.Errorf("there is no tokenizer %q", name)
	}
	switch {
	case c.model == "" || o200kModels.MatchString(c.model):
		return c.Counter(O200k)
	case cl100kModels.MatchString(c.model):
		return c.Counter(CL100k)
	}
	return counter{c.cl100k(), strangerFactor, fmt.Sprintf("%s x %g", CL100k, strangerFactor)}, nil
}

// counter counts with one vocabulary.
type counter struct {
	codec  *codec.Codec
	factor float64
	name   string
}

// Name says what counts, and by what the count is raised.
func (c counter) Name() string { return c.name }

// Count counts the tokens of text. Special tokens spelled out in it are text.
func (c counter) Count(text string) (int, error) {
	n, err := c.codec.Count(text)
	if err != nil {
		return 0, fmt.Errorf("count tokens of %d bytes with %s: %w", len(text), c.name, err)
	}
	return int(math.Ceil(float64(n) * c.factor)), nil
}
