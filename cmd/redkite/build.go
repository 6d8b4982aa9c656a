package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/redkite/redkite/internal/app"
	"github.com/redkite/redkite/internal/config"
)

// modelsBuildCommand builds the graph that runs fastest here from a model's fp32 export.
type modelsBuildCommand struct {
	Path            string `arg:"" type:"existingdir" help:"Folder with config.json, tokenizer.json and the fp32 ONNX file (onnx/model.onnx or model.onnx)."`
	FP32            string `name:"fp32" help:"The fp32 ONNX file, anywhere. Defaults to the folder's (--graph)."`
	Precision       string `enum:"int8,fp32" default:"int8" help:"Precision of the graph. Defaults to int8."`
	Python          string `default:"python3" help:"Python that has models/build/requirements.txt installed. Defaults to python3."`
	Tool            string `default:"models/build" help:"Folder of redkite's models/build. Defaults to models/build."`
	modelFacts      `embed:""`
	config.Settings `embed:""`
}

// Run builds the graph in a folder of its own, then adds that as a model.
func (c modelsBuildCommand) Run(ctx context.Context, o output) error {
	options := c.options()
	if options.Name == "" || options.Kind == "" {
		return fmt.Errorf("build model: say --name and --kind")
	}
	store, err := app.OpenModels(c.Settings)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "redkite-build-")
	if err != nil {
		return fmt.Errorf("build model: %w", err)
	}
	defer os.RemoveAll(work)
	if err := c.build(ctx, o, options, work); err != nil {
		return err
	}
	options.Graph = ""
	spec, err := store.Add(ctx, work, options)
	if err != nil {
		return err
	}
	return added(o, spec)
}

// build runs the tool and puts the files that say what the model is beside the graph.
func (c modelsBuildCommand) build(ctx context.Context, o output, options app.ModelOptions, into string) error {
	fp32 := c.FP32
	if fp32 == "" {
		graph, err := app.FindGraph(c.Path, options.Graph)
		if err != nil {
			return fmt.Errorf("build model: %w", err)
		}
		fp32 = filepath.Join(c.Path, graph)
	}
	tool := filepath.Join(c.Tool, "build.py")
	if _, err := os.Stat(tool); err != nil {
		return fmt.Errorf("build model: there is no %s; run this in redkite's folder, or name it with --tool", tool)
	}
	if err := exec.CommandContext(ctx, c.Python, "-c", "import numpy, onnx, onnxruntime, tokenizers").Run(); err != nil {
		return fmt.Errorf("build model: %s lacks the packages of %s (%w); install them there with pip install -r, or name another --python",
			c.Python, filepath.Join(c.Tool, "requirements.txt"), err)
	}
	arguments := []string{
		tool, "--kind", string(options.Kind), "--precision", c.Precision, "--fp32", fp32,
		"--tokenizer", filepath.Join(c.Path, "tokenizer.json"), "--output", into,
	}
	if options.Pooling != "" {
		arguments = append(arguments, "--pooling", options.Pooling)
	}
	if options.QueryPrefix != nil {
		arguments = append(arguments, "--query-prefix", *options.QueryPrefix)
	}
	command := exec.CommandContext(ctx, c.Python, arguments...)
	command.Stderr = o.err
	report, err := command.Output()
	if err != nil {
		return fmt.Errorf("build model: %s: %w", tool, err)
	}
	var built struct {
		Bytes int64
	}
	if err := json.Unmarshal(report, &built); err != nil || built.Bytes == 0 {
		return fmt.Errorf("build model: %s did not say what it built: %q", tool, report)
	}
	return linkFacts(c.Path, into)
}

// linkFacts puts the files that say what a model is beside a graph built of it: all but the ONNX files. Adding the model
// copies those that it keeps.
func linkFacts(from, into string) error {
	from, err := filepath.Abs(from)
	if err != nil {
		return fmt.Errorf("build model: %w", err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("build model: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == "onnx" || strings.Contains(entry.Name(), ".onnx") {
			continue
		}
		if err := os.Symlink(filepath.Join(from, entry.Name()), filepath.Join(into, entry.Name())); err != nil {
			return fmt.Errorf("build model: %w", err)
		}
	}
	return nil
}
