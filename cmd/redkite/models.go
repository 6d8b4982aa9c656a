package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/redkite/redkite/internal/app"
	"github.com/redkite/redkite/internal/config"
)

// modelsCommand manages models.
type modelsCommand struct {
	List   modelsListCommand   `cmd:"" help:"List the models there are."`
	Verify modelsVerifyCommand `cmd:"" help:"Check that models' files are the ones that were added."`
	Add    modelsAddCommand    `cmd:"" help:"Add a model from a folder in Hugging Face's layout."`
	Pull   modelsPullCommand   `cmd:"" help:"Pull a model from a hub; an interrupted pull goes on."`
	Build  modelsBuildCommand  `cmd:"" help:"Build the graph that runs fastest from a model's fp32 export, and add it."`
}

type modelsListCommand struct {
	config.Settings `embed:""`
}

// Run lists models.
func (c modelsListCommand) Run(o output) error {
	store, err := app.OpenModels(c.Settings)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, store.List())
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tKIND\tDIMENSION\tTOKENS\tMIB\tLICENCE")
	for _, m := range store.List() {
		dimension := "-"
		if m.Dimension > 0 {
			dimension = fmt.Sprint(m.Dimension)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\n", m.Name, m.Kind, dimension, m.MaxTokens, m.Bytes()>>20, m.Licence)
	}
	return table.Flush()
}

type modelsVerifyCommand struct {
	Names           []string `arg:"" optional:"" help:"Models to check. Defaults to all."`
	config.Settings `embed:""`
}

// verified is the finding on one model.
type verified struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Run checks models; it fails when one is not whole.
func (c modelsVerifyCommand) Run(ctx context.Context, o output) error {
	store, err := app.OpenModels(c.Settings)
	if err != nil {
		return err
	}
	names := c.Names
	if len(names) == 0 {
		for _, m := range store.List() {
			names = append(names, m.Name)
		}
	}
	findings, bad := []verified{}, false
	for _, name := range names {
		f := verified{Name: name, OK: true}
		if err := store.Verify(ctx, name, nil); err != nil {
			f.OK, f.Error, bad = false, err.Error(), true
		}
		findings = append(findings, f)
		if !o.json && f.OK {
			fmt.Fprintf(o.out, "ok    %s\n", f.Name)
		} else if !o.json {
			fmt.Fprintf(o.out, "FAIL  %s: %s\n", f.Name, f.Error)
		}
	}
	if o.json {
		err = printJSON(o, findings)
	}
	if bad {
		return errors.Join(err, exitError(1))
	}
	return err
}

// modelFacts are what a model's files may not say.
type modelFacts struct {
	Name          string  `help:"Name. Defaults to the folder's or the repository's."`
	Kind          string  `enum:",bi-encoder,cross-encoder" default:"" help:"bi-encoder or cross-encoder. Defaults to what config.json says."`
	Graph         string  `help:"The ONNX file, a path below the folder. Defaults to onnx/model.onnx, else model.onnx."`
	Pooling       string  `enum:",cls,mean" default:"" help:"cls or mean. Defaults to what 1_Pooling says."`
	Normalize     *bool   `negatable:"" help:"Scale embeddings to unit length. Defaults to what modules.json says."`
	QueryPrefix   *string `help:"Text put before every query."`
	PassagePrefix *string `help:"Text put before every passage."`
	MaxTokens     int     `help:"Tokens the model reads. Defaults to what its files say."`
	Dimension     int     `help:"Dimension of the embeddings. Defaults to what its files say."`
	Licence       string  `help:"Licence. Defaults to what the card says."`
}

func (f modelFacts) options() app.ModelOptions {
	return app.ModelOptions{
		Name: f.Name, Kind: app.ModelKind(f.Kind), Graph: f.Graph, Pooling: f.Pooling, Normalize: f.Normalize, QueryPrefix: f.QueryPrefix,
		PassagePrefix: f.PassagePrefix, MaxTokens: f.MaxTokens, Dimension: f.Dimension, Licence: f.Licence,
	}
}

type modelsAddCommand struct {
	Path            string `arg:"" type:"existingdir" help:"Folder with config.json, tokenizer.json and an ONNX file."`
	modelFacts      `embed:""`
	config.Settings `embed:""`
}

// Run adds a model.
func (c modelsAddCommand) Run(ctx context.Context, o output) error {
	store, err := app.OpenModels(c.Settings)
	if err != nil {
		return err
	}
	spec, err := store.Add(ctx, c.Path, c.options())
	if err != nil {
		return err
	}
	return added(o, spec)
}

type modelsPullCommand struct {
	Repository      string `arg:"" help:"owner/name, or owner/name@revision."`
	Endpoint        string `help:"Hub to pull from. Defaults to https://huggingface.co."`
	Token           string `help:"Access token; it is sent to the hub alone. Defaults to the variable HF_TOKEN." env:"HF_TOKEN"`
	modelFacts      `embed:""`
	config.Settings `embed:""`
}

// Run pulls a model.
func (c modelsPullCommand) Run(ctx context.Context, o output) error {
	store, err := app.OpenModels(c.Settings)
	if err != nil {
		return err
	}
	spec, err := store.Pull(ctx, c.Repository, app.PullOptions{
		AddOptions: c.options(), Endpoint: c.Endpoint, Token: c.Token, Progress: pullProgress(o),
	})
	if err != nil {
		return err
	}
	return added(o, spec)
}

// pullProgress shows how much of a file is there: on one line in a terminal, a line each few seconds elsewhere.
func pullProgress(o output) func(file string, done, total int64) {
	var last time.Time
	return func(file string, done, total int64) {
		end, pause := "\n", linePause
		if f, ok := o.err.(*os.File); ok && isTerminal(f) {
			end, pause = "\r", 200*time.Millisecond
		}
		if o.json || time.Since(last) < pause && done < total {
			return
		}
		last = time.Now()
		percent := 100.0
		if total > 0 {
			percent = 100 * float64(done) / float64(total)
		}
		if done >= total {
			end = "\n"
		}
		fmt.Fprintf(o.err, "%-40s %6.1f of %.1f MiB, %3.0f %%%s", file, float64(done)/(1<<20), float64(total)/(1<<20), percent, end)
	}
}

// added says what was added and how to use it.
func added(o output, spec app.ModelSpec) error {
	if o.json {
		return printJSON(o, spec)
	}
	fmt.Fprintf(o.out, "%s (%s, %d MiB, licence %s) is in %s\n", spec.Name, spec.Kind, spec.Bytes()>>20, spec.Licence, spec.Dir)
	if spec.Kind == "cross-encoder" {
		fmt.Fprintf(o.out, "use it: redkite serve --cross-encoder %s\n", spec.Name)
	} else {
		fmt.Fprintf(o.out, "use it: make a collection with {\"model\":%q}, or redkite serve --bi-encoder %s\n", spec.Name, spec.Name)
	}
	return nil
}
