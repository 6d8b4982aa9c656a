package answer

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Fence sets passages apart from everything else in a prompt. Its token is drawn for each request, so no document can
// hold a line that closes it; and what a document holds that looks like a fence, a role or a citation is changed in the
// prompt so that it no longer does.
type Fence struct{ token string }

// fenceToken is how long a token is: 12 digits, 40 bits that a document would have to guess. Most LLMs read three digits as
// one token, so a fence costs little.
const fenceToken = 12

// NewFence draws a token.
func NewFence() Fence {
	var digits [fenceToken]byte
	for i := range digits {
		digits[i] = '0' + digit()
	}
	return Fence{string(digits[:])}
}

// digit draws 0 to 9, each as likely: bytes from 250 on are drawn again.
func digit() byte {
	for {
		var b [1]byte
		_, _ = rand.Read(b[:]) // it never fails: crypto/rand ends the program instead
		if b[0] < 250 {
			return b[0] % 10
		}
	}
}

// Token is the word in every line of the fence.
func (f Fence) Token() string { return f.token }

// around fences the passage of a number. Without a token it leaves text as it is.
func (f Fence) around(number int, text string) string {
	if f.token == "" {
		return text
	}
	return fmt.Sprintf("<<<passage %d %s>>>\n%s\n<<<end of passage %d %s>>>", number, f.token, text, number, f.token)
}

// The look-alikes. What they match stays readable, with a blank or a bar put in.
var (
	// angles are what our own fence is made of.
	angles = regexp.MustCompile(`<{3,}|>{3,}`)
	// controlTokens are those of chat templates: ChatML and Llama 3 <|...|>, DeepSeek <｜...｜>, Gemma <start_of_turn>,
	// Mistral and Llama 2 [INST] and <<SYS>>, and <s> of most; and tags that programs write around messages and tools.
	controlTokens = regexp.MustCompile(`(?i)<[|｜][^<>\n]{1,64}[|｜]>|<</?SYS>>|` +
		`</?(?:s|bos|eos|pad|unk|(?:start|end)_of_(?:turn|image|text)|system|user|assistant|human|developer|model|instructions?|prompt|passages?|documents?|context|` +
		`tools?|tool_(?:calls?|response)|function|function_(?:calls?|results)|invoke|think|thinking|im_start|im_end)(?:\s[^<>\n]*)?/?>|` +
		`\[/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]`)
	// roleLines begin a turn: "System:", "### Instruction:", "**Assistant**:".
	roleLines = regexp.MustCompile(`(?im)^([ \t>#*_-]*(?:system(?: prompt| message)?|user|assistant|human|ai|developer|tool|model|instructions?|new instructions?|question|response)[*_ \t]*[:：])`)
	// numbers are citations, or what could be copied into an answer as one.
	numbers = regexp.MustCompile(`([\[［【])(\s*[0-9０-９][0-9０-９\s,;–—-]*(?:†[^\]］】\n]*)?)([\]］】])`)
)

// Neutral makes text of a document harmless in a prompt: characters that nobody sees are dropped, and look-alikes of
// fences, roles, control tokens and citations are broken. Its meaning stays.
func Neutral(text string) string {
	text = strings.Map(visible, strings.ReplaceAll(text, "\r\n", "\n"))
	text = angles.ReplaceAllStringFunc(text, func(run string) string { return strings.TrimSpace(strings.ReplaceAll(run, run[:1], run[:1]+" ")) })
	text = controlTokens.ReplaceAllStringFunc(text, func(token string) string { return token[:1] + " " + token[1:] })
	text = roleLines.ReplaceAllString(text, "| $1")
	return numbers.ReplaceAllString(text, "$1 $2 $3")
}

// neutralLine is Neutral for what stands in one line, such as a title.
func neutralLine(text string) string { return strings.Join(strings.Fields(Neutral(text)), " ") }

// visible drops control characters, and format characters but the joiners that scripts and emoji need: zero-width
// blanks, changes of direction, and the tags of plane 14 can carry words that people don't see and LLMs read.
func visible(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085' || r == '\v' || r == '\f':
		return '\n'
	case r == '\u200c' || r == '\u200d':
		return r
	case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
		return -1
	case r >= 0xfe00 && r <= 0xfe0d || r >= 0xe0100 && r <= 0xe01ef: // variation selectors, but those of text and emoji
		return -1
	}
	return r
}
