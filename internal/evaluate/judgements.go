package evaluate

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// textItem is the prefix of an item that is a text.
const textItem = "text:"

// judgement is a line of a file of judgements.
type judgement struct {
	ID       string          `json:"id"`       // of the question; defaults to the line's number
	Question string          `json:"question"` //
	Document json.RawMessage `json:"document"` // id or ids of the documents expected
	Text     json.RawMessage `json:"text"`     // text or texts of which a passage is expected
}

// LoadJudgements reads a file of JSON lines, each a question with the documents or the texts that are expected:
//
//	{"question": "How do I rotate a key?", "document": "handbook/keys.md"}
//	{"question": "What is the limit?", "text": "at most 10,000 files"}
//
// What is wrong in it is an ErrFault that names file and line; so is a question without a judgement, and a member that is
// not known.
func LoadJudgements(path string) (Dataset, error) {
	d := Dataset{
		Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), Relevant: map[string]map[string]int{},
		Passages: map[string]string{}, origins: map[string]origin{},
	}
	seen := map[string]int{}
	lines, err := eachLine(path, func(n int, line string) *Fault {
		var j judgement
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&j); err != nil {
			return fault(path, n, "want {\"question\":..., \"document\" or \"text\":...}: %v", err)
		}
		if j.ID == "" {
			j.ID = strconv.Itoa(n)
		}
		switch first, twice := seen[j.ID]; {
		case strings.TrimSpace(j.Question) == "":
			return fault(path, n, "question is missing or empty")
		case twice:
			return fault(path, n, "id %q is on line %d already", j.ID, first)
		}
		seen[j.ID] = n
		if bad := d.expect(j, origin{path, n}); bad != nil {
			return bad
		}
		d.Queries = append(d.Queries, Text{ID: j.ID, Text: j.Question})
		return nil
	})
	if err == nil && lines == 0 {
		err = fault(path, 0, "the file is empty")
	}
	return d, err
}

// expect notes what a line expects.
func (d *Dataset) expect(j judgement, at origin) *Fault {
	documents, bad := stringsOf(j.Document, "document", at)
	if bad != nil {
		return bad
	}
	texts, bad := stringsOf(j.Text, "text", at)
	if bad != nil {
		return bad
	}
	if len(documents)+len(texts) == 0 {
		return fault(at.path, at.line, "the question has no judgement: give document, text, or both")
	}
	for _, id := range documents {
		d.judge(j.ID, id, 1, at)
	}
	for _, text := range texts {
		item := fmt.Sprintf("%s%d", textItem, len(d.Passages)+1)
		d.Passages[item] = plain(text)
		d.judge(j.ID, item, 1, at)
	}
	return nil
}

// stringsOf reads a string or a list of strings, none of them empty.
func stringsOf(raw json.RawMessage, member string, at origin) ([]string, *Fault) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var list []string
	var one string
	if json.Unmarshal(raw, &one) == nil {
		list = []string{one}
	} else if json.Unmarshal(raw, &list) != nil {
		return nil, fault(at.path, at.line, "%s must be a string or a list of strings", member)
	}
	for _, s := range list {
		if strings.TrimSpace(s) == "" {
			return nil, fault(at.path, at.line, "%s is empty", member)
		}
	}
	return list, nil
}

// Items gives what a question's hits stand for, best first, each once: the item that is expected and that a hit shows, or
// else the hit's document. A hit shows a text where it holds it, or is a part of it; case and blanks do not count.
func (d Dataset) Items(query string, hits []Hit) []string {
	items := make([]string, 0, len(hits))
	for _, h := range hits {
		items = append(items, d.item(query, h))
	}
	return Distinct(items)
}

func (d Dataset) item(query string, h Hit) string {
	relevant := d.Relevant[query]
	if relevant[h.DocumentID] > 0 || len(d.Passages) == 0 {
		return h.DocumentID
	}
	found := ""
	shown := plain(h.Text)
	for item := range relevant {
		expected, ok := d.Passages[item]
		if ok && (strings.Contains(shown, expected) || shown != "" && strings.Contains(expected, shown)) && (found == "" || item < found) {
			found = item
		}
	}
	if found != "" {
		return found
	}
	return fmt.Sprintf("%s#%d", h.DocumentID, h.ChunkID)
}

// plain writes a text in small letters with single blanks.
func plain(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), " ")) }
