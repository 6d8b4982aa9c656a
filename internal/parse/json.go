package parse

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/redkite/redkite/internal/rag"
)

// jsonFormat reads JSON and lines of JSON: a value a line behind its path. The objects of a list are records, a section
// each. Numbers stay as they are written. What is no JSON is read as plain text, with a warning.
type jsonFormat struct{}

// Parse reads JSON token by token.
func (jsonFormat) Parse(ctx context.Context, o rag.Original, b *builder) error {
	w, err := surveyed(ctx, o, b)
	if err != nil {
		return err
	}
	r, err := w.open(ctx, o, b)
	if err != nil {
		return err
	}
	if o.MediaType == TypeJSONL {
		if err = jsonLines(r, b); !errors.Is(err, errNoLines) {
			return err
		}
		b.restart()
		if r, err = w.open(ctx, o, b); err != nil {
			return err
		}
	}
	b.hold()
	d := json.NewDecoder(r)
	d.UseNumber()
	walk := &jsonWalk{b: b, d: d}
	err = walk.document()
	b.title = "" // the first record's
	switch {
	case err == nil || ctx.Err() != nil:
		return errors.Join(err, ctx.Err())
	case errors.Is(err, io.ErrUnexpectedEOF) && b.count > 0:
		walk.emit()
		b.warn(rag.WarnPartialText, "the file ends too early, inside of a value: what came before was read")
		return nil
	}
	b.restart()
	b.warn(rag.WarnReadAsPlainText, "the file is not valid JSON, or nested more than %d deep: it was read as plain text", deepestJSON)
	return w.paragraphs(ctx, o, b)
}

// errNoLines says that the lines of a file are no values of their own.
var errNoLines = errors.New("the first line is no JSON")

// jsonLines reads a record from each line. Lines that are none are kept as text.
func jsonLines(r *bufio.Reader, b *builder) error {
	number, bad, firstBad := 0, 0, 0
	var failed error
	err := eachLine(r, b, func(line string) {
		number++
		if strings.TrimSpace(line) == "" || failed != nil {
			return
		}
		w := &jsonWalk{b: b, d: json.NewDecoder(strings.NewReader(line))}
		w.d.UseNumber()
		if !json.Valid([]byte(line)) || w.line(number) != nil {
			if bad++; firstBad == 0 {
				firstBad = number
			}
			if b.count == 0 && bad == 1 {
				failed = errNoLines
				return
			}
			b.path = nil
			b.add(rag.BlockParagraph, line)
		}
	})
	b.title = ""
	if bad > 0 && failed == nil {
		b.warn(rag.WarnPartialText, "%d lines are not valid JSON, the first of them line %d: they were kept as text", bad, firstBad)
	}
	return errors.Join(err, failed)
}

const (
	deepestJSON   = 100     // objects and lists inside each other
	valuesOnLine  = 1000    // values of a list that share a line
	longValue     = 300     // bytes from which a value is a paragraph, and no line of a list
	mostPath      = 200     // bytes of a path that are shown
	mostGathered  = 1 << 20 // bytes of a record before its first lines are written
	mostLabel     = 120     // bytes of a record's name
	mostRecordSet = 2       // sections inside each other
)

// jsonWalk goes through one document.
type jsonWalk struct {
	b        *builder
	d        *json.Decoder
	lines    []string
	size     int // bytes of lines
	depth    int
	inRecord bool
	record   jsonRecord
}

// jsonRecord is the record that is being read.
type jsonRecord struct {
	number int
	label  string
	rank   int // of the key that label is of; less is better
	opened bool
}

// labels are the keys that name a record, the best first.
func labels() []string {
	return []string{"title", "name", "subject", "headline", "question", "label", "id", "_id", "key"}
}

// document reads all values of a file; from the second on they are records.
func (w *jsonWalk) document() error {
	for number := 1; !w.b.full; number++ {
		token, err := w.d.Token()
		if errors.Is(err, io.EOF) {
			w.emit()
			return nil
		}
		if err != nil {
			return err
		}
		if token == json.Delim('{') && number > 1 {
			err = w.asRecord(number)
		} else {
			err = w.value(token, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// line reads the one value of a line.
func (w *jsonWalk) line(number int) error {
	token, err := w.d.Token()
	switch {
	case err != nil:
		return err
	case token == json.Delim('{'):
		return w.asRecord(number)
	}
	w.b.path = nil
	err = w.value(token, "")
	w.emit()
	return err
}

// asRecord reads an object, which has begun, as a section.
func (w *jsonWalk) asRecord(number int) error {
	w.emit()
	path := w.b.path
	w.inRecord, w.record = true, jsonRecord{number: number, rank: len(labels())}
	err := w.object("")
	w.emit()
	w.inRecord = false
	w.b.path = path
	return err
}

func (w *jsonWalk) value(token json.Token, path string) error {
	var err error
	switch token {
	case json.Delim('{'):
		err = w.nested(func() error { return w.object(path) })
	case json.Delim('['):
		err = w.nested(func() error { return w.list(path) })
	default:
		w.add(path, scalar(token))
	}
	return err
}

func (w *jsonWalk) nested(read func() error) error {
	if w.depth++; w.depth > deepestJSON {
		return errors.New("nested too deep")
	}
	err := read()
	w.depth--
	return err
}

// object reads the members of an object that has begun, and its end.
func (w *jsonWalk) object(path string) error {
	for w.d.More() && !w.b.full {
		key, err := w.d.Token()
		if err != nil {
			return cutShort(err)
		}
		token, err := w.d.Token()
		if err != nil {
			return cutShort(err)
		}
		name, _ := key.(string) // a key of an object is one
		if path == "" {
			w.named(name, token)
		}
		if err := w.value(token, joined(path, name)); err != nil {
			return err
		}
	}
	return w.close()
}

// close reads the end of an object or list.
func (w *jsonWalk) close() error {
	if w.b.full {
		return nil
	}
	_, err := w.d.Token()
	return cutShort(err)
}

// cutShort makes one error of the two with which a file can end too early.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// joined is a member's path, without the outer part of one that is long: paths must not grow with the depth.
func joined(path, key string) string {
	key = shownPath(key)
	if path != "" {
		key = shownPath(path + "." + key)
	}
	return key
}

// named looks whether a member names its record, or the document.
func (w *jsonWalk) named(key string, token json.Token) {
	text := scalar(token)
	if text == "" || len(text) > mostLabel {
		return
	}
	for rank, label := range labels() {
		if !strings.EqualFold(key, label) {
			continue
		}
		switch {
		case !w.inRecord && rank < 2 && w.b.given == "" && len(w.b.path) == 0:
			w.b.given = text
		case w.inRecord && rank < w.record.rank:
			w.record.rank, w.record.label = rank, text
			if rank > 5 { // a bare number would say nothing
				w.record.label = key + " " + text
			}
		}
	}
}

// list reads a list that has begun, and its end.
func (w *jsonWalk) list(path string) error {
	var row []string
	between := ", "
	flush := func() {
		w.add(path, strings.Join(row, between))
		row = row[:0]
	}
	outer := w.b.path
	records := false
	for i := 0; w.d.More() && !w.b.full; i++ {
		token, err := w.d.Token()
		if err != nil {
			return cutShort(err)
		}
		text := scalar(token)
		if line, ok := token.(string); ok && (between == "\n" || strings.HasSuffix(line, "\n")) {
			between, text = "\n", strings.TrimRight(line, "\n") // the lines of a text, as notebooks keep them
		}
		_, nested := token.(json.Delim)
		switch {
		case token == json.Delim('{') && !w.inRecord && len(outer) < mostRecordSet:
			flush()
			if !records && path != "" {
				w.emit()
				w.b.heading(len(w.b.path)+1, path)
			}
			records = true
			if err := w.nested(func() error { return w.asRecord(i + 1) }); err != nil {
				return err
			}
		case nested:
			flush()
			if err := w.value(token, shownPath(fmt.Sprintf("%s[%d]", path, i))); err != nil {
				return err
			}
		case len(text) >= longValue:
			flush()
			w.add(fmt.Sprintf("%s[%d]", path, i), text)
		case text != "" || between == "\n":
			if row = append(row, text); len(row) == valuesOnLine {
				flush()
			}
		}
	}
	flush()
	if records {
		w.emit()
		w.b.path = outer
	}
	return w.close()
}

// add gathers a value; empty ones are left out.
func (w *jsonWalk) add(path, text string) {
	if text == "" {
		return
	}
	if path != "" {
		text = path + ": " + text
	}
	w.lines = append(w.lines, text)
	if w.size += len(text); w.size > mostGathered {
		w.emit()
	}
}

// emit writes what was gathered: runs of short values as a list, long ones as paragraphs.
func (w *jsonWalk) emit() {
	if len(w.lines) == 0 {
		return
	}
	if w.inRecord && !w.record.opened {
		w.record.opened = true
		label := w.record.label
		if label == "" {
			label = fmt.Sprintf("Record %d", w.record.number)
		}
		w.b.heading(len(w.b.path)+1, label)
	}
	var short []string
	flush := func() {
		w.b.add(rag.BlockList, strings.Join(short, "\n"))
		short = short[:0]
	}
	for _, line := range w.lines {
		if len(line) < longValue && !strings.Contains(line, "\n") {
			short = append(short, line)
			continue
		}
		flush()
		w.b.add(rag.BlockParagraph, line)
	}
	flush()
	w.lines, w.size = w.lines[:0], 0
}

// scalar writes a value that holds no others; "" for null, and for the begin of an object or list.
func scalar(token json.Token) string {
	switch t := token.(type) {
	case string:
		return strings.TrimSpace(t)
	case json.Number:
		return t.String()
	case bool:
		return fmt.Sprint(t)
	}
	return ""
}

// shownPath cuts the outer part of a long path off.
func shownPath(path string) string {
	if len(path) <= mostPath {
		return path
	}
	at := len(path) - mostPath
	for !utf8.RuneStart(path[at]) {
		at++
	}
	return "…" + path[at:]
}
