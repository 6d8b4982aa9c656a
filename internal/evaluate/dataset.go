// Package evaluate measures retrieval on labelled sets: it reads a set (a folder in BEIR's layout, or a file of questions
// with what is expected), asks every judged question under any number of configurations, computes the measures as
// trec_eval does with paired bootstrap intervals, keeps runs and compares them, and chooses settings by cross-validation.
package evaluate

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Text is a document or a query of a set.
type Text struct {
	ID    string `json:"_id"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Dataset is a labelled set.
type Dataset struct {
	Name     string
	Corpus   []Text                    // empty for judgements of documents that lie elsewhere
	Queries  []Text                    // the judged ones only, in the file's order
	Relevant map[string]map[string]int // query id -> item -> grade, above 0; an item is a document's id, or "text:" and a number
	Passages map[string]string         // text that is expected, by item; for judgements by text
	Unjudged int                       // queries of queries.jsonl that have no judgement in this split
	origins  map[string]origin         // where an item was first judged
}

// origin is a place in a file.
type origin struct {
	path string
	line int
}

// Load reads corpus.jsonl, queries.jsonl and qrels/<split>.tsv from a folder. What is wrong in them is an ErrFault that
// names file and line; so is a judgement of a query or a document that is not there, and a set without a judged query.
func Load(dir, split string) (Dataset, error) {
	d := Dataset{Name: filepath.Base(filepath.Clean(dir)), Relevant: map[string]map[string]int{}, origins: map[string]origin{}}
	var err error
	if d.Corpus, err = readTexts(filepath.Join(dir, "corpus.jsonl"), false); err != nil {
		return Dataset{}, err
	}
	path := filepath.Join(dir, "queries.jsonl")
	queries, err := readTexts(path, true)
	if err != nil {
		return Dataset{}, err
	}
	if err := d.readJudgements(filepath.Join(dir, "qrels", split+".tsv"), idsOf(queries)); err != nil {
		return Dataset{}, err
	}
	for _, q := range queries {
		if len(d.Relevant[q.ID]) > 0 {
			d.Queries = append(d.Queries, q)
		}
	}
	d.Unjudged = len(queries) - len(d.Queries)
	if len(d.Queries) == 0 {
		return Dataset{}, fault(path, 0, "no query has a judgement above 0 in qrels/%s.tsv", split)
	}
	return d, nil
}

// readTexts reads documents or queries; a query needs a text.
func readTexts(path string, queries bool) ([]Text, error) {
	var texts []Text
	seen := map[string]int{}
	lines, err := eachLine(path, func(n int, line string) *Fault {
		var t Text
		if bad := object(path, n, line, &t); bad != nil {
			return bad
		}
		switch first, twice := seen[t.ID]; {
		case t.ID == "":
			return fault(path, n, "_id is missing or empty")
		case twice:
			return fault(path, n, "_id %q is on line %d already", t.ID, first)
		case queries && strings.TrimSpace(t.Text) == "":
			return fault(path, n, "query %q has no text", t.ID)
		}
		seen[t.ID] = n
		texts = append(texts, t)
		return nil
	})
	if err == nil && lines == 0 {
		err = fault(path, 0, "the file is empty")
	}
	return texts, err
}

// readJudgements reads lines of query id, document id and grade; a first line of column names is passed over.
func (d *Dataset) readJudgements(path string, queries map[string]bool) error {
	documents := idsOf(d.Corpus)
	lines, err := eachLine(path, func(n int, line string) *Fault {
		fields := strings.Split(strings.TrimRight(line, "\r"), "\t")
		if len(fields) != 3 {
			return fault(path, n, "want query, document and grade, separated by tabs; there are %d fields", len(fields))
		}
		grade, err := strconv.Atoi(strings.TrimSpace(fields[2]))
		switch {
		case err != nil && n == 1:
			return nil
		case err != nil:
			return fault(path, n, "grade %q is no whole number", fields[2])
		case !queries[fields[0]]:
			return fault(path, n, "query %q is not in queries.jsonl", fields[0])
		case !documents[fields[1]]:
			return fault(path, n, "document %q is not in corpus.jsonl", fields[1])
		case grade > 0:
			d.judge(fields[0], fields[1], grade, origin{path, n})
		}
		return nil
	})
	if err == nil && lines == 0 {
		err = fault(path, 0, "the file is empty")
	}
	return err
}

// judge notes that an item is relevant to a query.
func (d *Dataset) judge(query, item string, grade int, at origin) {
	if d.Relevant[query] == nil {
		d.Relevant[query] = map[string]int{}
	}
	d.Relevant[query][item] = grade
	if _, known := d.origins[item]; !known {
		d.origins[item] = at
	}
}

// Documents are the ids of the documents that are judged relevant, in order.
func (d Dataset) Documents() []string {
	ids := map[string]bool{}
	for _, q := range d.Queries {
		for item := range d.Relevant[q.ID] {
			if _, text := d.Passages[item]; !text {
				ids[item] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// Unknown says of judged documents that a collection does not hold them.
func (d Dataset) Unknown(collection string, ids []string) error {
	var faults Faults
	for _, id := range ids {
		at := d.origins[id]
		faults = append(faults, fault(at.path, at.line, "document %q is not in collection %s", id, collection))
	}
	slices.SortFunc(faults, func(a, b *Fault) int { return a.Line - b.Line })
	return faults.or()
}

// Sample keeps n of the queries, spread evenly over the file; all of them where n is 0 or there are not more.
func (d Dataset) Sample(n int) Dataset {
	if n <= 0 || n >= len(d.Queries) {
		return d
	}
	kept := make([]Text, n)
	for i := range kept {
		kept[i] = d.Queries[i*len(d.Queries)/n]
	}
	d.Queries = kept
	return d
}

// Describe sums a set up in a few words.
func (d Dataset) Describe() string {
	out := fmt.Sprintf("%s: %d documents, %d judged queries", d.Name, len(d.Corpus), len(d.Queries))
	if len(d.Corpus) == 0 {
		out = fmt.Sprintf("%s: %d judged queries", d.Name, len(d.Queries))
	}
	if d.Unjudged > 0 {
		out += fmt.Sprintf(" (%d queries without a judgement are left out)", d.Unjudged)
	}
	return out
}

func idsOf(texts []Text) map[string]bool {
	ids := make(map[string]bool, len(texts))
	for _, t := range texts {
		ids[t.ID] = true
	}
	return ids
}
