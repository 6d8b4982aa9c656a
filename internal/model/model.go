// Package model keeps the encoders that redkite can run: what each one is, where its files lie, and whether they are
// still the files that were added. What a model is stands in a manifest.yaml beside the files; a Store reads one
// manifest a folder, the bundled models' first and the operator's own last. Models come into the operator's folder from
// a Hugging Face style folder (Add) or from a hub (Pull).
//
// Nothing here runs a model: a graph's inputs and outputs are read from the ONNX file itself, without native code.
package model

import (
	"slices"

	"github.com/redkite/redkite/internal/encode"
	"github.com/redkite/redkite/internal/rag"
)

// Kind says what a model does.
type Kind string

// The kinds of model.
const (
	BiEncoder    Kind = "bi-encoder"    // one text in, one embedding out
	CrossEncoder Kind = "cross-encoder" // query and passage in, one logit out
)

// Roles of a model's files.
const (
	RoleGraph     = "graph"     // the ONNX file
	RoleData      = "data"      // weights outside the ONNX file, found beside it by the name that it gives
	RoleTokenizer = "tokenizer" // tokenizer.json
	RoleCard      = "card"      // what its makers say of it
	RoleLicence   = "licence"
)

// How a bi-encoder's token vectors become one. Without effect where the graph pools itself.
const (
	PoolCLS  = encode.PoolCLS
	PoolMean = encode.PoolMean
)

// ScoreLogit is the one score type: an unbounded number, larger for more relevant.
const ScoreLogit = "logit"

// Spec is one model as its manifest states it.
type Spec struct {
	Name          string   `yaml:"name" json:"name"`
	Kind          Kind     `yaml:"kind" json:"kind"`
	Files         []File   `yaml:"files" json:"files"`
	Inputs        []string `yaml:"inputs,flow" json:"inputs"`
	Outputs       []string `yaml:"outputs,flow" json:"outputs"` // in the graph's order; the first is used
	Dimension     int      `yaml:"dimension,omitempty" json:"dimension,omitempty"`
	MaxTokens     int      `yaml:"max_tokens" json:"max_tokens"` // in one run, special tokens included
	Pooling       string   `yaml:"pooling,omitempty" json:"pooling,omitempty"`
	Normalize     bool     `yaml:"normalize,omitempty" json:"normalize,omitempty"`
	QueryPrefix   string   `yaml:"query_prefix,omitempty" json:"query_prefix,omitempty"`
	PassagePrefix string   `yaml:"passage_prefix,omitempty" json:"passage_prefix,omitempty"`
	ScoreType     string   `yaml:"score_type,omitempty" json:"score_type,omitempty"`

	// Calibration makes probabilities of a cross-encoder's final scores; nil where none is known.
	Calibration *rag.Calibration `yaml:"calibration,omitempty" json:"calibration,omitempty"`

	Licence    string     `yaml:"licence" json:"licence"`
	Source     string     `yaml:"source" json:"source"`
	Provenance Provenance `yaml:"provenance,omitempty" json:"provenance"`

	Dir string `yaml:"-" json:"-"` // the folder of the manifest that states it
}

// File is one file of a model.
type File struct {
	Role   string `yaml:"role" json:"role"`
	Path   string `yaml:"path" json:"path"`                         // below the manifest's folder, with slashes
	Origin string `yaml:"origin,omitempty" json:"origin,omitempty"` // path in the folder or repository that it came from
	Bytes  int64  `yaml:"bytes" json:"bytes"`
	SHA256 string `yaml:"sha256" json:"sha256"`
}

// Provenance says how the files came to be.
type Provenance struct {
	Repository string `yaml:"repository,omitempty" json:"repository,omitempty"` // hub and owner/name, for a pulled model
	Revision   string `yaml:"revision,omitempty" json:"revision,omitempty"`     // the commit it was pulled at
	FP32SHA256 string `yaml:"fp32_sha256,omitempty" json:"fp32_sha256,omitempty"`
	Recipe     string `yaml:"recipe,omitempty" json:"recipe,omitempty"`
}

// Defaults name the models of collections and searches that name none.
type Defaults struct {
	BiEncoder    string `yaml:"bi_encoder,omitempty"`
	CrossEncoder string `yaml:"cross_encoder,omitempty"`
}

// Manifest is the content of a manifest.yaml.
type Manifest struct {
	Version  int      `yaml:"version"`
	Defaults Defaults `yaml:"defaults,omitempty"`
	Models   []Spec   `yaml:"models"`
}

// Bytes is the size of all files together.
func (s Spec) Bytes() int64 {
	var total int64
	for _, f := range s.Files {
		total += f.Bytes
	}
	return total
}

// file gives the first file of a role.
func (s Spec) file(role string) (File, bool) {
	i := slices.IndexFunc(s.Files, func(f File) bool { return f.Role == role })
	if i < 0 {
		return File{}, false
	}
	return s.Files[i], true
}
