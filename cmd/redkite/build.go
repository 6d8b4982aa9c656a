package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/redkite/redkite/internal/app"
	"github.com/redkite/redkite/internal/config"
)

// modelsBuildCommand builds the graph that runs fastest here from a model's fp32 export.
type modelsBuildCommand struct {
	Path            string `arg:"" type:"existingdir" help:"Folder with config.json, tokenizer.json and the fp32 ONNX file (onnx/model.onnx or model.onnx)."`
	FP32            string `name:"fp32" help:"The fp32 ONNX file. Defaults to onnx/model.onnx in the folder, else model.onnx."`
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
	for _, name := range []string{"onnx/model.onnx", "model.onnx"} {
		if path := filepath.Join(c.Path, name); fp32 == "" && isFile(path) {
			fp32 = path
		}
	}
	if fp32 == "" {
		return fmt.Errorf("build model: there is no onnx/model.onnx or model.onnx in %s; name the fp32 file with --fp32", c.Path)
	}
	tool := filepath.Join(c.Tool, "build.py")
	if !isFile(tool) {
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
	for _, name := range []string{
		"tokenizer.json", "config.json", "tokenizer_config.json", "sentence_bert_config.json", "modules.json",
		"config_sentence_transformers.json", "1_Pooling/config.json", "README.md", "LICENSE",
	} {
		if err := copyIfThere(filepath.Join(c.Path, name), filepath.Join(into, name)); err != nil {
			return fmt.Errorf("build model: %w", err)
		}
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func copyIfThere(from, to string) error {
	if !isFile(from) {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
