package evaluate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Run is an evaluation as it is kept: what was asked of what, and what came of it.
type Run struct {
	ID         string          `json:"id"`
	Made       time.Time       `json:"made"`
	Set        SetFacts        `json:"set"`
	Collection CollectionFacts `json:"collection"`
	Models     []ModelFacts    `json:"models"`
	Version    string          `json:"version"` // of the server
	Seed       uint64          `json:"seed"`    // of the intervals
	Ingest     *Ingest         `json:"ingest,omitempty"`
	Questions  []Question      `json:"questions"`
	LeftOut    []string        `json:"left_out,omitempty"` // configurations that the server refused
	Results    []Result        `json:"results"`
}

// SetFacts say which labelled set was asked.
type SetFacts struct {
	Name       string `json:"name"`
	Documents  int    `json:"documents,omitempty"` // of the corpus, where it has one
	Queries    int    `json:"queries"`
	Judgements string `json:"judgements_sha256"` // of the questions that were asked and what is relevant to them
}

// CollectionFacts say what was searched.
type CollectionFacts struct {
	Name        string `json:"name"`
	Documents   int    `json:"documents"`
	Chunks      int    `json:"chunks"`
	Fingerprint string `json:"fingerprint"` // of the live documents and how they are cut; the same for the same content
	Chunking    string `json:"chunking"`
}

// ModelFacts say which model served.
type ModelFacts struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	SHA256 string `json:"sha256"` // of its files
}

// Ingest is how long the set took to be searchable.
type Ingest struct {
	Seconds         float64 `json:"seconds"`
	ChunksPerSecond float64 `json:"chunks_per_second"`
}

// Question is a query that was asked, with what is relevant to it.
type Question struct {
	ID       string         `json:"id"`
	Text     string         `json:"text"`
	Relevant map[string]int `json:"relevant"`
}

// Questions are the set's queries as a run keeps them.
func (d Dataset) Questions() []Question {
	out := make([]Question, len(d.Queries))
	for i, q := range d.Queries {
		out[i] = Question{ID: q.ID, Text: q.Text, Relevant: d.Relevant[q.ID]}
	}
	return out
}

// Facts say which set it is.
func (d Dataset) Facts() SetFacts {
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode([]any{d.Questions(), d.Passages}); err != nil { // strings and numbers can always be written
		return SetFacts{}
	}
	return SetFacts{Name: d.Name, Documents: len(d.Corpus), Queries: len(d.Queries), Judgements: hex.EncodeToString(sum.Sum(nil))}
}

// The files of a run's folder.
const (
	runFile      = "run.json"
	passagesFile = "passages.json"
	tableFile    = "table.md"
)

// NewID names a run by its time and its set.
func NewID(made time.Time, set string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, set)
	return made.UTC().Format("20060102T150405Z") + "-" + clean
}

// Keep writes a run into a folder of its own below runs, and gives that folder.
func (r Run) Keep(runs string, passages map[int64]Passage) (string, error) {
	dir := filepath.Join(runs, r.ID)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keep run: %w", err)
	}
	for name, content := range map[string]any{runFile: r, passagesFile: passages} {
		raw, err := json.MarshalIndent(content, "", " ")
		if err != nil {
			return "", fmt.Errorf("write %s of run %s: %w", name, r.ID, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(raw, '\n'), 0o644); err != nil {
			return "", fmt.Errorf("keep run: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, tableFile), []byte(r.Markdown()), 0o644); err != nil {
		return "", fmt.Errorf("keep run: %w", err)
	}
	return dir, nil
}

// Open reads a kept run: its id below runs, or its folder's path.
func Open(runs, name string) (Run, map[int64]Passage, error) {
	dir := name
	if _, err := os.Stat(filepath.Join(dir, runFile)); err != nil {
		dir = filepath.Join(runs, name)
	}
	var run Run
	if err := readKept(filepath.Join(dir, runFile), &run); err != nil {
		return Run{}, nil, err
	}
	passages := map[int64]Passage{}
	if err := readKept(filepath.Join(dir, passagesFile), &passages); err != nil {
		return Run{}, nil, err
	}
	return run, passages, nil
}

func readKept(path string, into any) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault(path, 0, "there is no such run; 'redkite eval runs' lists those that are kept")
	}
	if err != nil {
		return fmt.Errorf("read run: %w", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fault(path, 0, "is no kept run: %v", err)
	}
	return nil
}

// Kept lists the runs below a folder, oldest first.
func Kept(runs string) ([]Run, error) {
	entries, err := os.ReadDir(runs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var out []Run
	for _, e := range entries {
		var run Run
		if err := readKept(filepath.Join(runs, e.Name(), runFile), &run); err == nil {
			out = append(out, run)
		}
	}
	slices.SortStableFunc(out, func(a, b Run) int { return a.Made.Compare(b.Made) })
	return out, nil
}

// Result gives the result of a configuration; an empty name is the first one's.
func (r Run) Result(name string) (Result, error) {
	if name == "" && len(r.Results) > 0 {
		return r.Results[0], nil
	}
	names := make([]string, len(r.Results))
	for i, result := range r.Results {
		if names[i] = result.Name; result.Name == name {
			return result, nil
		}
	}
	return Result{}, fault("run "+r.ID, 0, "has no configuration %q; it has %s", name, strings.Join(names, ", "))
}

// Unlike says in what two runs differ that should be alike for their figures to be compared: each a sentence.
func Unlike(a, b Run) []string {
	var out []string
	differ := func(what, x, y string) {
		if x != y {
			out = append(out, fmt.Sprintf("%s differs: %s in %s, %s in %s", what, orNone(x), a.ID, orNone(y), b.ID))
		}
	}
	differ("the content searched (collection fingerprint)", short(a.Collection.Fingerprint), short(b.Collection.Fingerprint))
	differ("the chunking", a.Collection.Chunking, b.Collection.Chunking)
	differ("the questions or their judgements (sha256)", short(a.Set.Judgements), short(b.Set.Judgements))
	differ("the server's version", a.Version, b.Version)
	models := map[string][2]string{}
	for side, run := range []Run{a, b} {
		for _, m := range run.Models {
			pair := models[m.Kind]
			pair[side] = m.Name + " " + short(m.SHA256)
			models[m.Kind] = pair
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(models)) {
		differ("the "+kind, models[kind][0], models[kind][1])
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// short is enough of a hash to tell it from others.
func short(hash string) string { return hash[:min(12, len(hash))] }
