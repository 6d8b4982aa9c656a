package app

import "github.com/redkite/redkite/internal/model"

// What the command line needs of package model, which it may not import itself.
type (
	// ModelOptions are the facts about an added model that its files don't say.
	ModelOptions = model.AddOptions
	// PullOptions say where a model is pulled from.
	PullOptions = model.PullOptions
	// ModelKind is what a model does.
	ModelKind = model.Kind
	// ModelSpec is a model as its manifest states it.
	ModelSpec = model.Spec
)

// FindGraph gives the ONNX file of a model in a folder, as a path below it; wanted may be empty.
func FindGraph(dir, wanted string) (string, error) { return model.FindGraph(dir, wanted) }
