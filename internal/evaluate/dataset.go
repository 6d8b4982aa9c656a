// Package evaluate measures retrieval on labelled sets: it reads a set in BEIR's layout, asks every judged query, and
// computes nDCG, recall and reciprocal rank as trec_eval does.
package evaluate

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	Corpus   []Text
	Queries  []Text                    // the judged ones only, in the file's order
	Relevant map[string]map[string]int // query id -> document id -> grade, above 0
}

// maxLine bounds a line of a set's files, in bytes.
const maxLine = 16 << 20

// Load reads corpus.jsonl, queries.jsonl and qrels/<split>.tsv from a folder.
func Load(dir, split string) (Dataset, error) {
	d := Dataset{Name: filepath.Base(filepath.Clean(dir)), Relevant: map[string]map[string]int{}}
	var err error
	if d.Corpus, err = readTexts(filepath.Join(dir, "corpus.jsonl")); err != nil {
		return Dataset{}, err
	}
	queries, err := readTexts(filepath.Join(dir, "queries.jsonl"))
	if err != nil {
		return Dataset{}, err
	}
	if err := d.readJudgements(filepath.Join(dir, "qrels", split+".tsv")); err != nil {
		return Dataset{}, err
	}
	for _, q := range queries {
		if len(d.Relevant[q.ID]) > 0 {
			d.Queries = append(d.Queries, q)
		}
	}
	if len(d.Queries) == 0 {
		return Dataset{}, fmt.Errorf("labelled set %s: no query of queries.jsonl has a judgement in qrels/%s.tsv", dir, split)
	}
	return d, nil
}

func readTexts(path string) ([]Text, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read labelled set: %w", err)
	}
	defer f.Close()
	var texts []Text
	lines := json.NewDecoder(bufio.NewReader(f))
	for {
		var t Text
		err := lines.Decode(&t)
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s, entry %d: %w", path, len(texts)+1, err)
		}
		texts = append(texts, t)
	}
}

// readJudgements reads lines of query id, document id and grade; a first line of column names is passed over.
func (d *Dataset) readJudgements(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read labelled set: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 3 {
			return fmt.Errorf("read %s, line %d: want query, document and grade, separated by tabs", path, n)
		}
		grade, err := strconv.Atoi(strings.TrimSpace(fields[2]))
		if err != nil {
			if n == 1 {
				continue
			}
			return fmt.Errorf("read %s, line %d: grade %q is no number", path, n, fields[2])
		}
		if grade <= 0 {
			continue
		}
		if d.Relevant[fields[0]] == nil {
			d.Relevant[fields[0]] = map[string]int{}
		}
		d.Relevant[fields[0]][fields[1]] = grade
	}
	return lines.Err()
}
