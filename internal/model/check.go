package model

import (
	"fmt"
	"slices"
	"strings"
)

// Inputs that redkite feeds.
const (
	inputIDs   = "input_ids"
	inputMask  = "attention_mask"
	inputTypes = "token_type_ids"
)

func knownInputs() []string { return []string{inputIDs, inputMask, inputTypes} }

// Check compares what the manifest states of a model with what its ONNX file says. The error is a rag.Problem that
// names the model, the file, what was expected, what was found, and what to do.
func Check(spec Spec, g Graph) error {
	if err := compare(spec, g); err != nil {
		file, _ := spec.file(RoleGraph)
		return invalid("model_mismatch", "model %s: %s: %v; correct %s, or add the model again",
			spec.Name, spec.path(file), err, manifestName)
	}
	return nil
}

// compare reports the first thing in which a graph is not as stated, or can't be run.
func compare(spec Spec, g Graph) error {
	if want, got := sorted(spec.Inputs), sorted(names(g.Inputs)); !slices.Equal(want, got) {
		return fmt.Errorf("expected the inputs %s, found %s", strings.Join(want, ", "), list(got))
	}
	for _, in := range g.Inputs {
		if in.Type != "int64" {
			return fmt.Errorf("input %s must be int64, found %s", in.Name, in.Type)
		}
	}
	if got := names(g.Outputs); !slices.Equal(spec.Outputs, got) {
		return fmt.Errorf("expected the outputs %s, found %s", strings.Join(spec.Outputs, ", "), list(got))
	}
	out := g.Outputs[0]
	if out.Type != "float32" {
		return fmt.Errorf("output %s must be float32, found %s", out.Name, out.Type)
	}
	if out.Shape == nil {
		return nil
	}
	if spec.Kind == CrossEncoder {
		if last := lastLength(out); len(out.Shape) > 2 || len(out.Shape) == 2 && last > 1 {
			return fmt.Errorf("a cross-encoder gives one logit a pair, found output %s with the shape %s", out.Name, shape(out))
		}
		return nil
	}
	if rank := len(out.Shape); rank != 2 && rank != 3 {
		return fmt.Errorf("a bi-encoder gives a vector a text or a token, found output %s with the shape %s", out.Name, shape(out))
	}
	if last := lastLength(out); last > 0 && last != int64(spec.Dimension) {
		return fmt.Errorf("expected the dimension %d, found %d in output %s", spec.Dimension, last, out.Name)
	}
	return nil
}

func names(ports []Port) []string {
	var out []string
	for _, p := range ports {
		out = append(out, p.Name)
	}
	return out
}

func sorted(in []string) []string { return slices.Sorted(slices.Values(in)) }

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return clip(strings.Join(names, ", "))
}

// lastLength is the length of a port's last axis; -1 where it is free or there is none.
func lastLength(p Port) int64 {
	if len(p.Shape) == 0 {
		return -1
	}
	return p.Shape[len(p.Shape)-1]
}

// shape writes a shape as [?, ?, 384].
func shape(p Port) string {
	parts := make([]string, len(p.Shape))
	for i, n := range p.Shape {
		if parts[i] = "?"; n >= 0 {
			parts[i] = fmt.Sprint(n)
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
