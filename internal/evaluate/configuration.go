package evaluate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// Request is the members of a search request, by name.
type Request map[string]json.RawMessage

// Configuration is a way to search: a name, and the members that it puts into each search request. Nothing here knows
// what they mean, so that any member that a server takes can be measured.
type Configuration struct {
	Name    string  `json:"name"`
	Request Request `json:"request"`
}

// ParseConfiguration reads name={...}; where says what is read, for messages.
func ParseConfiguration(where, text string) (Configuration, error) {
	name, members, ok := strings.Cut(text, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return Configuration{}, fault(where, 0, "want name={...}, the members of a search request as JSON, not %q", text)
	}
	c, err := configurationOf(name, []byte(members))
	if err != nil {
		return Configuration{}, fault(where, 0, "configuration %s: %v", name, err)
	}
	return c, nil
}

// ReadConfigurations reads a file with a JSON object: a member for each configuration, in the order to measure them in.
// The first is what the others are compared with.
func ReadConfigurations(path string) ([]Configuration, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fault(path, 0, "can't be read: %v", err)
	}
	lineAt := func(offset int64) int { return 1 + bytes.Count(raw[:min(int(offset), len(raw))], []byte("\n")) }
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fault(path, 1, "want a JSON object such as {\"dense\": {\"rerank\": false}}")
	}
	var out []Configuration
	for decoder.More() {
		token, err := decoder.Token()
		line := lineAt(decoder.InputOffset())
		name, _ := token.(string)
		var members json.RawMessage
		if err == nil {
			err = decoder.Decode(&members)
		}
		if err != nil {
			return nil, fault(path, line, "not valid JSON: %v", err)
		}
		c, err := configurationOf(name, members)
		if err != nil {
			return nil, fault(path, line, "configuration %s: %v", name, err)
		}
		out = append(out, c)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fault(path, lineAt(decoder.InputOffset()), "not valid JSON: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fault(path, lineAt(decoder.InputOffset()), "something follows the object")
	}
	return out, distinctNames(path, out)
}

func configurationOf(name string, members []byte) (Configuration, error) {
	var r Request
	if err := json.Unmarshal(members, &r); err != nil || r == nil {
		return Configuration{}, fmt.Errorf("want a JSON object with members of a search request, such as {\"rerank\": false}")
	}
	if strings.ContainsAny(name, ":/|\n") {
		return Configuration{}, fmt.Errorf("a name has no ':', '/' or '|'")
	}
	for _, member := range []string{"query", "queries", "messages"} {
		if _, ok := r[member]; ok {
			return Configuration{}, fmt.Errorf("%q comes from the labelled set", member)
		}
	}
	return Configuration{Name: name, Request: r}, nil
}

// distinctNames refuses two configurations of one name, and none.
func distinctNames(where string, all []Configuration) error {
	if len(all) == 0 {
		return fault(where, 0, "there is no configuration")
	}
	seen := map[string]bool{}
	for _, c := range all {
		if seen[c.Name] {
			return fault(where, 0, "there are two configurations with the name %s", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// DistinctNames refuses two configurations of one name, and none.
func DistinctNames(all []Configuration) error { return distinctNames("configurations", all) }

// With is the request for one query.
func (r Request) With(query string) Request {
	out := maps.Clone(r)
	if out == nil {
		out = Request{}
	}
	text, err := json.Marshal(query)
	if err != nil { // a string can always be written
		text = []byte(`""`)
	}
	out["query"] = text
	return out
}

// Number reads a member that is a number; other is for one that is not there.
func (r Request) Number(member string, other float64) float64 {
	var n float64
	if raw, ok := r[member]; ok && json.Unmarshal(raw, &n) == nil {
		return n
	}
	return other
}

// Text writes the members but for some, in the order of their names.
func (r Request) Text(without ...string) string {
	kept := map[string]json.RawMessage{}
	for member, raw := range r {
		if !slices.Contains(without, member) {
			kept[member] = raw
		}
	}
	out, err := json.Marshal(kept)
	if err != nil {
		return fmt.Sprint(kept)
	}
	return string(out)
}
