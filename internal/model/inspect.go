package model

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// AddOptions state what a model's files don't say, and overrule what they do. The zero value of each leaves it to the
// files.
type AddOptions struct {
	Name          string // defaults to the folder's or the repository's
	Kind          Kind
	Graph         string // the ONNX file, a path in the folder; defaults to onnx/model.onnx, else model.onnx
	Pooling       string
	Normalize     *bool
	QueryPrefix   *string
	PassagePrefix *string
	MaxTokens     int // in one run, special tokens included
	Dimension     int
	Licence       string
	Source        string
}

// candidate is a model in a folder, looked at but not yet added.
type candidate struct {
	spec  Spec
	files []File // role and origin; path, size and hash come when they are copied
}

// inspect learns what the model in dir is. name is what it is called where the options name it no other.
func inspect(dir, name string, o AddOptions) (candidate, error) {
	d, err := describe(dir)
	if err != nil {
		return candidate{}, err
	}
	graph, err := FindGraph(dir, o.Graph)
	if err != nil {
		return candidate{}, err
	}
	g, err := ReadGraph(filepath.Join(dir, filepath.FromSlash(graph)))
	if err != nil {
		return candidate{}, invalid("model_unfit", "%s is no ONNX model that redkite can read: %v", filepath.Join(dir, graph), err)
	}
	c := candidate{spec: Spec{Name: o.Name, Kind: o.Kind, Inputs: names(g.Inputs), Outputs: names(g.Outputs)}}
	if c.spec.Name == "" {
		c.spec.Name = name
	}
	if err := checkName(c.spec.Name); err != nil {
		return candidate{}, invalid("model_unfit", "%v", err)
	}
	if c.files, err = modelFiles(dir, graph, g); err != nil {
		return candidate{}, err
	}
	if err := c.spec.fill(d, g, name, o); err != nil {
		return candidate{}, err
	}
	return c, checkCandidate(c, g)
}

// checkCandidate reports what in a candidate can't be run, in words about the model rather than its manifest.
func checkCandidate(c candidate, g Graph) error {
	for _, err := range []error{c.spec.validatePorts(), c.spec.validateKind(), compare(c.spec, g)} {
		if err != nil {
			return invalid("model_unfit", "model %s can't be used: %v", c.spec.Name, err)
		}
	}
	return nil
}

// fill states what the model is: as the options say, else as its files do.
func (s *Spec) fill(d description, g Graph, name string, o AddOptions) error {
	s.Licence, s.Source = first(o.Licence, d.Licence, "unknown"), first(o.Source, name)
	if s.Kind == "" {
		s.Kind = d.kind()
	}
	s.MaxTokens = o.MaxTokens
	if s.MaxTokens == 0 {
		s.MaxTokens = d.maxTokens()
	}
	if most := d.positions(); most > 0 && s.MaxTokens > most {
		return invalid("model_unfit", "model %s has places for %d tokens, not %d; ask for fewer max tokens", s.Name, most, s.MaxTokens)
	}
	switch {
	case s.Kind == "":
		return underivable(s.Name, "kind", "bi-encoder or cross-encoder")
	case s.MaxTokens == 0:
		return underivable(s.Name, "max tokens", "512")
	case s.Kind == CrossEncoder:
		s.ScoreType = ScoreLogit
		if n := d.labels(); n > 1 {
			return invalid("model_unfit", "model %s gives %d numbers a pair; a cross-encoder for reranking gives one", s.Name, n)
		}
		return nil
	}
	return s.fillBiEncoder(d, g, name, o)
}

func (s *Spec) fillBiEncoder(d description, g Graph, name string, o AddOptions) error {
	pooled := len(g.Outputs[0].Shape) == 2
	if d.hasModule("Dense") && !pooled {
		return invalid("model_unfit", "model %s has a Dense layer after pooling, which its ONNX file doesn't hold", s.Name)
	}
	s.Pooling = o.Pooling
	if s.Pooling == "" {
		mode, err := d.pooling()
		if err != nil {
			return err
		}
		s.Pooling = mode
	}
	if s.Pooling == "" && pooled {
		s.Pooling = PoolMean // without effect
	}
	if s.Pooling == "" {
		return underivable(s.Name, "pooling", "cls or mean")
	}
	s.Dimension = o.Dimension
	if s.Dimension == 0 {
		s.Dimension = int(max(0, lastLength(g.Outputs[0])))
	}
	if s.Dimension == 0 {
		s.Dimension = d.dimension()
	}
	if s.Dimension == 0 {
		return underivable(s.Name, "dimension", "384")
	}
	s.Normalize = d.Modules == nil || d.hasModule("Normalize")
	if o.Normalize != nil {
		s.Normalize = *o.Normalize
	}
	s.QueryPrefix, s.PassagePrefix = d.prefixes(name, s.Name)
	if o.QueryPrefix != nil {
		s.QueryPrefix = *o.QueryPrefix
	}
	if o.PassagePrefix != nil {
		s.PassagePrefix = *o.PassagePrefix
	}
	return nil
}

func underivable(name, what, example string) error {
	return invalid("model_unfit", "the files of model %s don't say its %s; state it when adding the model (for example %s)", name, what, example)
}

// findGraphs lists the ONNX files of a folder, down to two folders deep.
func findGraphs(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if e.IsDir() && strings.Count(rel, string(filepath.Separator)) >= 2 {
			return fs.SkipDir
		}
		if !e.IsDir() && filepath.Ext(rel) == ".onnx" {
			found = append(found, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look into model folder: %w", err)
	}
	return found, nil
}

// FindGraph gives the ONNX file of a model in dir, as a path with slashes below it: the wanted one, else onnx/model.onnx,
// else model.onnx. A folder without gives a rag.Problem.
func FindGraph(dir, wanted string) (string, error) {
	graphs, err := findGraphs(dir)
	if err != nil {
		return "", err
	}
	return chooseGraph(graphs, wanted, dir)
}

// chooseGraph picks the wanted ONNX file, or the usual one; where says whose files they are.
func chooseGraph(graphs []string, wanted, where string) (string, error) {
	if wanted != "" {
		for _, p := range []string{wanted, "onnx/" + wanted} {
			if slices.Contains(graphs, p) {
				return p, nil
			}
		}
		return "", invalid("model_unfit", "%s has no ONNX file %q; it has: %s", where, clip(wanted), list(graphs))
	}
	for _, usual := range []string{"onnx/model.onnx", "model.onnx"} {
		if slices.Contains(graphs, usual) {
			return usual, nil
		}
	}
	return "", invalid("model_unfit", "%s has neither onnx/model.onnx nor model.onnx; its ONNX files: %s; choose one, or export the model to ONNX first",
		where, list(graphs))
}

// modelFiles lists what is copied: graph, weights beside it, tokenizer, and card and licence where there are any.
func modelFiles(dir, graph string, g Graph) ([]File, error) {
	files := []File{{Role: RoleGraph, Origin: graph}}
	for _, name := range g.External {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return nil, invalid("model_unfit", "%s keeps weights in %q, which is not beside it", graph, clip(name))
		}
		files = append(files, File{Role: RoleData, Origin: path.Join(path.Dir(graph), name)})
	}
	files = append(files, File{Role: RoleTokenizer, Origin: tokenizerFile})
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f.Origin))); err != nil {
			return nil, invalid("model_unfit", "%s has no %s, which the model needs", dir, f.Origin)
		}
	}
	if err := checkTokenizer(filepath.Join(dir, tokenizerFile)); err != nil {
		return nil, err
	}
	for _, name := range licenceFiles() {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Size() > 0 {
			files = append(files, File{Role: RoleLicence, Origin: name})
			break
		}
	}
	if info, err := os.Stat(filepath.Join(dir, cardFile)); err == nil && info.Size() > 0 {
		files = append(files, File{Role: RoleCard, Origin: cardFile})
	}
	return files, nil
}

// checkTokenizer reports a tokenizer.json that is none, such as the pointer that git leaves without its LFS part.
func checkTokenizer(p string) error {
	raw, err := os.ReadFile(p)
	if err != nil {
		return fmt.Errorf("read model folder: %w", err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil || parts["model"] == nil {
		return invalid("model_unfit", "%s is no tokenizer of the Hugging Face tokenizers library", p)
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
