package ingest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"strings"

	"github.com/redkite/redkite/internal/rag"
)

// RecordFields say what the members of a record become. A field is a member's name, or names joined by dots for members
// inside others.
type RecordFields struct {
	Text     []string // the document's text, a paragraph each; without any the whole record is the document
	ID       string   // the document's id; without it, it is the file's path and the line, such as "a.jsonl:3"
	Title    string
	Metadata []string // under their own names
}

// AddRecords takes a document from each line of a file of JSON lines, which limit bounds in bytes. base holds what is the
// same for all. A line that can't be taken is an entry with its reason, called by the file's name and the line.
func (r *Receipt) AddRecords(ctx context.Context, name string, file io.Reader, limit int64, f RecordFields, base Upload) error {
	base.Filename, base.ExternalID = path.Base(name), ""
	lines := recordLines{r: bufio.NewReaderSize(file, 64<<10), most: r.intake.MaxBytes, left: limit}
	for number := 1; ; number++ {
		line, problem, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s, line %d: %w", name, number, err)
		}
		if problem == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if r.entries >= MaxEntries {
			return r.Refuse(ctx, name, &rag.Problem{Kind: rag.ErrTooLarge, Code: "too_many_files", Message: fmt.Sprintf(
				"a batch has at most %d documents; line %d and what follows is not taken: send it as another batch", MaxEntries, number)})
		}
		entry := fmt.Sprintf("%s:%d", name, number)
		if lines.left < 0 {
			return r.Refuse(ctx, entry, &rag.Problem{Kind: rag.ErrTooLarge, Code: "archive_too_large", Message: fmt.Sprintf(
				"%s is larger than max_archive_bytes; line %d and what follows is not taken: split it, or raise that setting", name, number)})
		}
		if err := r.record(ctx, entry, number, line, problem, f, base); err != nil {
			return err
		}
	}
}

// record takes one line.
func (r *Receipt) record(ctx context.Context, entry string, number int, line []byte, problem *rag.Problem, f RecordFields, base Upload) error {
	u := base
	if problem == nil {
		u, problem = f.upload(line, base)
	}
	if problem != nil {
		named := *problem
		named.Message = fmt.Sprintf("line %d: %s", number, problem.Message)
		return r.Refuse(ctx, entry, &named)
	}
	if u.ExternalID == "" {
		u.ExternalID = entry
	}
	return r.take(ctx, entry, u)
}

// recordLines reads lines that nobody vouches for.
type recordLines struct {
	r    *bufio.Reader
	most int64 // bytes of a line
	left int64 // bytes of all lines
}

// next gives a line; a problem where it is too long, and then what comes after it can be read all the same.
func (l *recordLines) next() ([]byte, *rag.Problem, error) {
	var line []byte
	var problem *rag.Problem
	for {
		piece, err := l.r.ReadSlice('\n')
		l.left -= int64(len(piece))
		if int64(len(line)+len(piece)) > l.most {
			problem = &rag.Problem{Kind: rag.ErrTooLarge, Code: "file_too_large", Message: fmt.Sprintf("the record is larger than the limit of %d bytes; split it or raise max_upload_bytes", l.most)}
		}
		if problem == nil {
			line = append(line, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (len(line) > 0 || problem != nil):
			return line, problem, nil
		default:
			return line, problem, err
		}
	}
}

// badRecord says what is wrong with a record.
func badRecord(format string, args ...any) *rag.Problem {
	return &rag.Problem{Kind: rag.ErrInvalid, Code: "bad_record", Message: fmt.Sprintf(format, args...)}
}

// upload makes a document of a record.
func (f RecordFields) upload(line []byte, base Upload) (Upload, *rag.Problem) {
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(line, []byte("\uFEFF"))))
	decoder.UseNumber() // a number is kept as it is written
	var record map[string]any
	if err := decoder.Decode(&record); err != nil || record == nil || decoder.More() {
		return base, badRecord("it is not one JSON object; write a record a line")
	}
	u := base
	var problem *rag.Problem
	if f.ID != "" {
		if u.ExternalID = plainValue(member(record, f.ID)); u.ExternalID == "" || len(u.ExternalID) > 512 {
			return base, badRecord("the id %q must be a string of 1 to 512 bytes or a number", f.ID)
		}
	}
	if f.Title != "" {
		u.Title = plainValue(member(record, f.Title))
	}
	if u.Metadata, problem = f.metadata(record, base.Metadata); problem != nil {
		return base, problem
	}
	if len(f.Text) == 0 {
		u.Text, u.MediaType = string(line), "application/json"
		return u, nil
	}
	var texts []string
	for _, field := range f.Text {
		if text := textValue(member(record, field)); strings.TrimSpace(text) != "" {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		return base, badRecord("it has no text in %s", strings.Join(f.Text, ", "))
	}
	u.Text, u.MediaType = strings.Join(texts, "\n\n"), "text/plain"
	return u, nil
}

// metadata adds a record's own keys to those of all.
func (f RecordFields) metadata(record map[string]any, base rag.Metadata) (rag.Metadata, *rag.Problem) {
	if len(f.Metadata) == 0 {
		return base, nil
	}
	out := rag.Metadata{}
	maps.Copy(out, base)
	for _, field := range f.Metadata {
		switch v := member(record, field).(type) {
		case nil:
		case string, bool:
			out[field] = v
		case json.Number:
			out[field] = number(v)
		case []any:
			list := make([]string, len(v))
			for i, item := range v {
				if list[i] = plainValue(item); list[i] == "" {
					return nil, badRecord("the metadata %q must be a list of strings", field)
				}
			}
			out[field] = list
		default:
			return nil, badRecord("the metadata %q is an object; name a member of it, such as %s.x", field, field)
		}
	}
	return out, nil
}

// member finds a field; nil where there is none. A member whose own name has dots goes first.
func member(record map[string]any, field string) any {
	if v, ok := record[field]; ok {
		return v
	}
	for i := range field {
		if field[i] == '.' {
			if inner, ok := record[field[:i]].(map[string]any); ok {
				return member(inner, field[i+1:])
			}
		}
	}
	return nil
}

// number is a metadata value: whole where it is written so and fits.
func number(n json.Number) any {
	if whole, err := n.Int64(); err == nil {
		return whole
	}
	if f, err := n.Float64(); err == nil {
		return f
	}
	return n.String()
}

// plainValue writes a string, number or truth value; "" for anything else.
func plainValue(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return fmt.Sprint(v)
	}
	return ""
}

// textValue writes what a text field holds: a value, or a list of them, a line each.
func textValue(v any) string {
	list, ok := v.([]any)
	if !ok {
		return plainValue(v)
	}
	var lines []string
	for _, item := range list {
		if text := plainValue(item); text != "" {
			lines = append(lines, text)
		}
	}
	return strings.Join(lines, "\n")
}
