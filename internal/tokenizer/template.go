package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redkite/redkite/internal/encode"
)

// file is what redkite reads of a tokenizer.json.
type file struct {
	PostProcessor json.RawMessage `json:"post_processor"`
}

type processor struct {
	Type          string      `json:"type"`
	Processors    []processor `json:"processors"`
	Pair          []piece     `json:"pair"`
	SpecialTokens map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
	Sep, Cls []any
}

type piece struct {
	SpecialToken *struct {
		ID     string `json:"id"`
		TypeID int64  `json:"type_id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID     string `json:"id"`
		TypeID int64  `json:"type_id"`
	} `json:"Sequence"`
}

// readTemplate finds the pair template in a tokenizer.json: a TemplateProcessing, BertProcessing or
// RobertaProcessing post-processor, alone or in a sequence.
func readTemplate(raw []byte) (encode.Template, error) {
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return encode.Template{}, fmt.Errorf("read tokenizer.json: %w", err)
	}
	if len(f.PostProcessor) == 0 || string(f.PostProcessor) == "null" {
		return encode.Template{}, errors.New("tokenizer.json has no post_processor: it does not say where special tokens stand")
	}
	var p processor
	if err := json.Unmarshal(f.PostProcessor, &p); err != nil {
		return encode.Template{}, fmt.Errorf("read post_processor of tokenizer.json: %w", err)
	}
	for _, candidate := range append(p.Processors, p) {
		switch candidate.Type {
		case "TemplateProcessing":
			return fromPieces(candidate)
		case "BertProcessing", "RobertaProcessing":
			return fromEnds(candidate)
		}
	}
	return encode.Template{}, fmt.Errorf("tokenizer.json's post_processor %q is not supported", p.Type)
}

// fromPieces reads a TemplateProcessing.
func fromPieces(p processor) (encode.Template, error) {
	var t encode.Template
	into := &t.Prefix
	for _, part := range p.Pair {
		switch {
		case part.Sequence != nil && part.Sequence.ID == "A":
			into = &t.Between
		case part.Sequence != nil && part.Sequence.ID == "B":
			into = &t.Suffix
			t.PairType = part.Sequence.TypeID
		case part.SpecialToken != nil:
			special, ok := p.SpecialTokens[part.SpecialToken.ID]
			if !ok {
				return t, fmt.Errorf("tokenizer.json's template uses %q without saying its id", part.SpecialToken.ID)
			}
			*into = append(*into, special.IDs...)
		}
	}
	if into != &t.Suffix {
		return t, errors.New("tokenizer.json's template has no pair form")
	}
	return t, nil
}

// fromEnds reads a BertProcessing, [CLS] A [SEP] B [SEP] with types 0 and 1, or a RobertaProcessing,
// <s> A </s></s> B </s> with type 0 throughout.
func fromEnds(p processor) (encode.Template, error) {
	cls, err := idOf(p.Cls)
	if err != nil {
		return encode.Template{}, err
	}
	sep, err := idOf(p.Sep)
	if err != nil {
		return encode.Template{}, err
	}
	t := encode.Template{Prefix: []int32{cls}, Between: []int32{sep}, Suffix: []int32{sep}, PairType: 1}
	if p.Type == "RobertaProcessing" {
		t.Between, t.PairType = []int32{sep, sep}, 0
	}
	return t, nil
}

// idOf reads a ["token", id] pair.
func idOf(pair []any) (int32, error) {
	if len(pair) == 2 {
		if id, ok := pair[1].(float64); ok {
			return int32(id), nil
		}
	}
	return 0, errors.New("tokenizer.json's post_processor does not say the ids of its special tokens")
}
