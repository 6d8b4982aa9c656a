package main

import (
	"context"
	"os"

	"github.com/redkite/redkite/internal/app"
	"github.com/redkite/redkite/internal/config"
)

// benchCommand measures speed on this machine.
type benchCommand struct {
	Encoder benchEncoderCommand `cmd:"" help:"Run an encoder over a file of texts, once for each line on standard input."`
	Search  benchSearchCommand  `cmd:"" help:"Search a running server from several clients at once: percentiles by stage."`
}

type benchEncoderCommand struct {
	Kind            string `enum:"bi-encoder,cross-encoder" default:"cross-encoder" help:"What the model is."`
	Graph           string `required:"" help:"ONNX file."`
	Tokenizer       string `required:"" help:"tokenizer.json."`
	Texts           string `required:"" help:"JSON lines with query and passage."`
	MaxTokens       int    `default:"512" help:"Tokens a run, special tokens included."`
	Dimension       int    `default:"384" help:"Numbers of a bi-encoder's embedding."`
	config.Settings `embed:""`
}

// Run prints a line of JSON for each run.
func (c benchEncoderCommand) Run(ctx context.Context, o output) error {
	return app.BenchEncoder(ctx, c.Settings, app.EncoderBench{
		Kind: c.Kind, Graph: c.Graph, Tokenizer: c.Tokenizer, Texts: c.Texts, MaxTokens: c.MaxTokens, Dimension: c.Dimension,
	}, os.Stdin, o.out)
}
