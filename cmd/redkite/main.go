// Command redkite is the retrieval server and its command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/evaluate"
)

// version is set by the linker (Makefile).
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() { // a second signal stops at once
		<-ctx.Done()
		stop()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// commands are redkite's commands, each in a file of its own.
type commands struct {
	Serve     serveCommand     `cmd:"" help:"Run the server: API, ingestion worker, or both."`
	Ingest    ingestCommand    `cmd:"" help:"Upload files, folders or archives to a collection."`
	Chunks    chunksCommand    `cmd:"" help:"Show how a file would be cut, without a server."`
	Search    searchCommand    `cmd:"" help:"Search a collection."`
	Context   contextCommand   `cmd:"" help:"Search a collection and print text ready for a prompt."`
	Ask       askCommand       `cmd:"" help:"Ask a collection a question; the server's LLM answers, with citations."`
	Text      textCommand      `cmd:"" help:"Print the text of a document, as it was parsed."`
	Eval      evalCommand      `cmd:"" help:"Measure retrieval on a labelled set, compare configurations and runs."`
	Tune      tuneCommand      `cmd:"" help:"Choose depth, weights and mode of retrieval on your own judgements."`
	Compare   compareCommand   `cmd:"" help:"Compare ways of cutting, on books made of a labelled set."`
	Bench     benchCommand     `cmd:"" help:"Measure speed on this machine."`
	Models    modelsCommand    `cmd:"" help:"List, verify, add and pull models."`
	Batches   batchesCommand   `cmd:"" help:"List, show, watch and cancel batches of uploads."`
	Jobs      jobsCommand      `cmd:"" help:"List, show, cancel and retry jobs."`
	Reconcile reconcileCommand `cmd:"" help:"Compare collections with Milvus, and repair what differs."`
	Rebuild   rebuildCommand   `cmd:"" help:"Make collections anew in Milvus from the catalog alone."`
	MCP       mcpCommand       `cmd:"" name:"mcp" help:"Offer a server's search to an MCP host, on standard input and output."`
	Keys      keysCommand      `cmd:"" help:"Create, list and revoke API keys."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the catalog's schema up to date."`
	Doctor    doctorCommand    `cmd:"" help:"Check library, models, Milvus, catalog and disk, and say how to mend what is wrong."`
	Probe     probeCommand     `cmd:"" help:"Exit 0 when a server is ready; for container health checks."`
	Version   versionCommand   `cmd:"" help:"Print the version."`

	Config kong.ConfigFlag `help:"YAML file with settings." placeholder:"FILE"`
	JSON   bool            `help:"Print results as JSON."`
}

// output is where a command prints, and how.
type output struct {
	out, err io.Writer
	json     bool
}

// exitError carries an exit status whose message has been printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if err := config.CheckEnvironment(os.Environ(), clientVariables()...); err != nil {
		fmt.Fprintln(stderr, "redkite:", err)
		return 2
	}
	var cli commands
	exited := -1
	parser, err := kong.New(&cli, kong.Name("redkite"), kong.UsageOnError(), kong.Writers(stdout, stderr),
		kong.Description("Retrieval for LLM chatbots: bi-encoder search in Milvus, cross-encoder reranking, cited passages."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(code int) { exited = code }),
		kong.Configuration(settingsFile), kong.PostBuild(nameVariables))
	if err != nil {
		fmt.Fprintln(stderr, "redkite:", err)
		return 2
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "redkite:", err)
		return 2
	}
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(output{out: stdout, err: stderr, json: cli.JSON})
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, context.Canceled):
		return 130
	}
	fmt.Fprintln(stderr, "redkite:", err)
	if errors.Is(err, evaluate.ErrFault) {
		return 2
	}
	return 1
}

// clientVariables are the environment variables of the commands that speak to a server.
func clientVariables() []string { return []string{"REDKITE_SERVER", "REDKITE_API_KEY"} }

// nameVariables gives the flags that are settings, and the client's, their environment variables.
func nameVariables(k *kong.Kong) error {
	variables := map[string]string{"server": "REDKITE_SERVER", "api-key": "REDKITE_API_KEY"}
	for _, s := range config.Table() {
		variables[s.Name] = s.Env()
	}
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			if variable, ok := variables[flag.Name]; ok {
				flag.Envs = []string{variable}
				flag.Tag.Envs = flag.Envs
			}
		}
		return next(nil)
	})
}

// settingsFile reads the file of --config. A variable of the environment goes before it.
func settingsFile(r io.Reader) (kong.Resolver, error) {
	values, err := config.ReadFile(r)
	if err != nil {
		return nil, err
	}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value, ok := values[flag.Name]
		inEnvironment := slices.ContainsFunc(flag.Envs, func(name string) bool { return os.Getenv(name) != "" })
		if !ok || inEnvironment {
			return nil, nil
		}
		return strings.TrimSpace(value), nil
	}), nil
}
