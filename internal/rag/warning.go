package rag

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The codes of warnings: what a user should know of a document that can be searched all the same.
const (
	WarnPartialText     = "partial_text"       // a part of it holds text that could not be read, such as a scanned page
	WarnOCRUsed         = "ocr_used"           // text was recognised from pictures, and may be wrong
	WarnTruncated       = "truncated"          // a limit was reached, and what comes after it was left out
	WarnEncodingGuessed = "encoding_guessed"   // nothing says how its characters are written, and they are not UTF-8
	WarnHiddenText      = "hidden_text"        // characters that a reader does not see were left out
	WarnReadAsPlainText = "read_as_plain_text" // its structure could not be read, its words were
)

// Warning is something amiss in a document that can be searched all the same.
type Warning struct {
	Code    string `json:"code" doc:"What it is, for a program."`
	Message string `json:"message" doc:"What it is, for a person."`
}

// UnmarshalJSON takes a plain text too: warnings had no code once, and were of two kinds.
func (w *Warning) UnmarshalJSON(raw []byte) error {
	type plain Warning
	var message string
	if json.Unmarshal(raw, &message) != nil {
		return json.Unmarshal(raw, (*plain)(w))
	}
	*w = Warning{Code: WarnPartialText, Message: message}
	if strings.HasSuffix(message, "was read as plain text") {
		w.Code = WarnReadAsPlainText
	}
	return nil
}

// String gives the message with its code.
func (w Warning) String() string { return fmt.Sprintf("%s (%s)", w.Message, w.Code) }
