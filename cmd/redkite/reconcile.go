package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/client"
	"github.com/redkite/redkite/internal/rag"
)

// reconcileCommand compares collections with Milvus.
type reconcileCommand struct {
	Collection []string `short:"c" help:"Collections. Defaults to all."`
	DryRun     bool     `help:"Report only, repair nothing."`
	Originals  bool     `help:"Also look for originals that no document needs, older than a day, and remove them."`
	connection `embed:""`
}

// reconciled is what was found in a collection.
type reconciled struct {
	Collection string `json:"collection"`
	rag.Reconciliation
}

// Run has each collection compared and prints what was found; it fails where something is not repaired.
func (c reconcileCommand) Run(ctx context.Context, o output) error {
	server := c.client()
	originals := c.Originals
	return checkAll(ctx, o, server, c.Collection, func(name string) (api.Job, error) {
		once := originals // the store is one for all collections
		originals = false
		return server.Reconcile(ctx, name, c.DryRun, once)
	})
}

// rebuildCommand makes collections anew in Milvus.
type rebuildCommand struct {
	Collection []string `arg:"" help:"Collections."`
	connection `embed:""`
}

// Run has each collection rebuilt.
func (c rebuildCommand) Run(ctx context.Context, o output) error {
	server := c.client()
	return checkAll(ctx, o, server, c.Collection, func(name string) (api.Job, error) { return server.Rebuild(ctx, name) })
}

func checkAll(ctx context.Context, o output, server *client.Client, names []string, begin func(string) (api.Job, error)) error {
	if len(names) == 0 {
		all, err := server.Collections(ctx)
		if err != nil {
			return err
		}
		for _, c := range all.Collections {
			names = append(names, c.Name)
		}
	}
	var found []reconciled
	clean := true
	for _, name := range names {
		job, err := begin(name)
		if err != nil {
			return fmt.Errorf("collection %s: %w", name, err)
		}
		if job, err = followJob(ctx, o, server, job, name); err != nil {
			return fmt.Errorf("collection %s: %w", name, err)
		}
		if job.State != rag.JobSucceeded || job.Found == nil {
			return fmt.Errorf("collection %s: job %d is %s; 'redkite jobs show %d' tells why", name, job.ID, job.State, job.ID)
		}
		found = append(found, reconciled{name, *job.Found})
		clean = clean && job.Found.Clean()
	}
	if err := printReconciled(o, found); err != nil || clean {
		return err
	}
	return exitError(1)
}

// followJob shows a job's progress until it is over.
func followJob(ctx context.Context, o output, server *client.Client, job api.Job, name string) (api.Job, error) {
	var p *progress
	var err error
	done := 0
	for !job.State.Final() {
		if job, err = server.Job(ctx, job.ID, time.Second); err != nil {
			return job, err
		}
		if p == nil && job.Total > 0 {
			p = newProgress(o, job.Total, "steps of "+name)
			defer p.finish()
		}
		if p != nil && job.Done > done {
			p.add(job.Done-done, "")
			done = job.Done
		}
	}
	return job, nil
}

func printReconciled(o output, found []reconciled) error {
	if o.json {
		return printJSON(o, found)
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COLLECTION\tCHUNKS\tMISSING\tSTALE\tORPHANED\tREPAIRED\tORIGINALS")
	for _, f := range found {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", f.Collection, f.Checked, f.Missing, f.Stale, f.Orphaned, f.Repaired, f.Originals)
	}
	return table.Flush()
}
