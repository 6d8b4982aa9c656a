package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Files of a Hugging Face style folder. Only the tokenizer must be there.
const (
	tokenizerFile       = "tokenizer.json"
	tokenizerConfigFile = "tokenizer_config.json"
	configFile          = "config.json"
	modulesFile         = "modules.json"
	poolingFile         = "1_Pooling/config.json"
	sentenceFile        = "sentence_bert_config.json"
	promptsFile         = "config_sentence_transformers.json"
	cardFile            = "README.md"
)

// describingFiles are read to learn what a model is; a hub's copy is asked for those of them that it has.
func describingFiles() []string {
	return []string{configFile, modulesFile, poolingFile, sentenceFile, promptsFile, tokenizerConfigFile, cardFile}
}

func licenceFiles() []string { return []string{"LICENSE", "LICENSE.md", "LICENSE.txt"} }

// maxDescribing is the most that is read of a file that describes a model.
const maxDescribing = 8 << 20

// description is what the files of a folder say.
type description struct {
	Config struct {
		Architectures []string       `json:"architectures"`
		ModelType     string         `json:"model_type"`
		NameOrPath    string         `json:"_name_or_path"`
		NumLabels     int            `json:"num_labels"`
		Labels        map[string]any `json:"id2label"`
		HiddenSize    int            `json:"hidden_size"`
		Dim           int            `json:"dim"` // DistilBERT's name for it
		MaxPositions  int            `json:"max_position_embeddings"`
	}
	Modules []struct {
		Type string `json:"type"`
	}
	Pooling  map[string]any
	Sentence struct {
		MaxSeqLength int `json:"max_seq_length"`
	}
	Prompts struct {
		Prompts map[string]string `json:"prompts"`
	}
	Tokenizer struct {
		MaxLength float64 `json:"model_max_length"` // 1e30 where the model states none
	}
	Licence string
}

// describe reads a folder's files; those that are not there leave their part empty.
func describe(dir string) (description, error) {
	var d description
	for name, into := range map[string]any{
		configFile: &d.Config, modulesFile: &d.Modules, poolingFile: &d.Pooling, sentenceFile: &d.Sentence,
		promptsFile: &d.Prompts, tokenizerConfigFile: &d.Tokenizer,
	} {
		raw, err := readDescribing(dir, name)
		if err != nil {
			return d, err
		}
		if raw == nil {
			continue
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return d, invalid("model_unfit", "%s can't be read: %v", filepath.Join(dir, name), err)
		}
	}
	card, err := readDescribing(dir, cardFile)
	d.Licence = cardLicence(card)
	return d, err
}

// readDescribing gives nil where the file is not there.
func readDescribing(dir, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read model folder: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxDescribing+1))
	if err == nil && len(raw) > maxDescribing {
		err = fmt.Errorf("%s has more than %d bytes", f.Name(), maxDescribing)
	}
	if err != nil {
		return nil, fmt.Errorf("read model folder: %w", err)
	}
	return raw, nil
}

// cardLicence reads the licence in a model card's YAML head; empty where it has none.
func cardLicence(card []byte) string {
	head, found := bytes.CutPrefix(card, []byte("---\n"))
	if !found {
		return ""
	}
	head, _, _ = bytes.Cut(head, []byte("\n---"))
	var front struct {
		License     any    `yaml:"license"`
		LicenseName string `yaml:"license_name"`
	}
	if yaml.Unmarshal(head, &front) != nil {
		return ""
	}
	if s, ok := front.License.(string); ok && s != "other" {
		return s
	}
	return front.LicenseName
}

// kind is "" where the files don't tell.
func (d description) kind() Kind {
	for _, a := range d.Config.Architectures {
		if strings.HasSuffix(a, "ForSequenceClassification") {
			return CrossEncoder
		}
	}
	if len(d.Config.Architectures) > 0 || d.Modules != nil || d.Pooling != nil {
		return BiEncoder
	}
	return ""
}

// labels is how many numbers a classifier gives; 0 where the files don't tell.
func (d description) labels() int {
	if d.Config.NumLabels > 0 {
		return d.Config.NumLabels
	}
	return len(d.Config.Labels)
}

// hasModule asks for a step of sentence-transformers' pipeline by the end of its class name.
func (d description) hasModule(name string) bool {
	for _, m := range d.Modules {
		if m.Type == name || strings.HasSuffix(m.Type, "."+name) {
			return true
		}
	}
	return false
}

// pooling is "" where the files don't tell, and an error where they tell of one that redkite doesn't do.
func (d description) pooling() (string, error) {
	var modes []string
	if mode, ok := d.Pooling["pooling_mode"].(string); ok {
		modes = append(modes, mode)
	}
	for key, on := range d.Pooling {
		mode, is := strings.CutPrefix(key, "pooling_mode_")
		if is && on == true {
			mode = strings.TrimSuffix(strings.TrimSuffix(mode, "_tokens"), "_token")
			if !slices.Contains(modes, mode) {
				modes = append(modes, mode)
			}
		}
	}
	slices.Sort(modes)
	if len(modes) > 1 || len(modes) == 1 && modes[0] != PoolCLS && modes[0] != PoolMean {
		return "", invalid("model_unfit", "%s asks for the pooling %s; redkite pools by %s or %s alone",
			poolingFile, strings.Join(modes, " and "), PoolCLS, PoolMean)
	}
	if len(modes) == 0 {
		return "", nil
	}
	return modes[0], nil
}

// positions is the most tokens that a model has places for; 0 where the files don't tell. RoBERTa and its kin keep the
// first two places for padding.
func (d description) positions() int {
	n := d.Config.MaxPositions
	if n > 2 && slices.Contains([]string{"roberta", "xlm-roberta", "camembert", "mpnet"}, d.Config.ModelType) {
		return n - 2
	}
	return n
}

// maxTokens is the least of what the files state; 0 where they state nothing.
func (d description) maxTokens() int {
	least := 0
	for _, n := range []float64{float64(d.Sentence.MaxSeqLength), d.Tokenizer.MaxLength, float64(d.positions())} {
		if n >= 1 && n <= 1<<17 && (least == 0 || n < float64(least)) {
			least = int(math.Floor(n))
		}
	}
	return least
}

func (d description) dimension() int { return max(d.Config.HiddenSize, d.Config.Dim) }

// prefixes are what a model wants before queries and passages: as its prompts say, else as its family is known to.
func (d description) prefixes(names ...string) (query, passage string) {
	if len(d.Prompts.Prompts) > 0 {
		for _, key := range []string{"passage", "document"} {
			if p := d.Prompts.Prompts[key]; p != "" {
				passage = p
			}
		}
		query = d.Prompts.Prompts["query"]
	}
	if query != "" || passage != "" {
		return query, passage
	}
	for _, name := range append(names, path.Base(d.Config.NameOrPath)) {
		for _, f := range families() {
			if f.name.MatchString(strings.ToLower(name)) {
				return f.query, f.passage
			}
		}
	}
	return "", ""
}
