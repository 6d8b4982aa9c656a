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

// jobsCommand looks after jobs.
type jobsCommand struct {
	List   jobsListCommand   `cmd:"" help:"List jobs, newest first."`
	Show   jobsShowCommand   `cmd:"" help:"Show a job and how its attempts ended."`
	Cancel jobsCancelCommand `cmd:"" help:"End an ingest job that is not over."`
	Retry  jobsRetryCommand  `cmd:"" help:"Run a job that failed or was canceled once more."`
}

type jobsListCommand struct {
	State      string `enum:",queued,running,retrying,succeeded,failed,canceled" default:"" help:"Only jobs in this state."`
	Kind       string `enum:",ingest,delete_document,delete_documents,delete_collection,reconcile,rebuild" default:"" help:"Only jobs of this kind."`
	Collection string `short:"c" help:"Only jobs on this collection."`
	Document   string `help:"Only jobs on this document of the collection."`
	Limit      int    `default:"50" help:"Most jobs listed, up to 1000."`
	connection `embed:""`
}

// Run lists jobs.
func (c jobsListCommand) Run(ctx context.Context, o output) error {
	found, err := c.client().Jobs(ctx, client.JobSelection{
		State: rag.JobState(c.State), Kind: rag.JobKind(c.Kind), Collection: c.Collection, Document: c.Document, Limit: c.Limit,
	})
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, found.Jobs)
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tKIND\tSTATE\tSTAGE\tCHUNKS\tATTEMPTS\tMADE\tERROR")
	for _, j := range found.Jobs {
		message := ""
		if j.Error != nil {
			message = j.Error.Message
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d/%d\t%d\t%s\t%s\n", j.ID, j.Kind, j.State, j.Stage, j.Done, j.Total, j.Attempts, j.CreatedAt.Format(time.DateTime), message)
	}
	return table.Flush()
}

// oneJob names a job.
type oneJob struct {
	ID         rag.JobID `arg:"" help:"The job's number."`
	connection `embed:""`
}

type jobsShowCommand struct{ oneJob }

// Run shows a job.
func (c jobsShowCommand) Run(ctx context.Context, o output) error {
	job, err := c.client().Job(ctx, c.ID, 0)
	return printJob(o, job, err)
}

type jobsCancelCommand struct{ oneJob }

// Run cancels a job.
func (c jobsCancelCommand) Run(ctx context.Context, o output) error {
	job, err := c.client().CancelJob(ctx, c.ID)
	return printJob(o, job, err)
}

type jobsRetryCommand struct{ oneJob }

// Run retries a job.
func (c jobsRetryCommand) Run(ctx context.Context, o output) error {
	job, err := c.client().RetryJob(ctx, c.ID)
	return printJob(o, job, err)
}

func printJob(o output, job api.Job, err error) error {
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, job)
	}
	fmt.Fprintf(o.out, "job %d, %s: %s at stage %s, %d of %d chunks (%d kept their vectors), %d attempts\n",
		job.ID, job.Kind, job.State, job.Stage, job.Done, job.Total, job.Reused, job.Attempts)
	if job.Error != nil {
		fmt.Fprintf(o.out, "%s: %s\n", job.Error.Code, job.Error.Message)
	}
	for _, a := range job.BadAttempts {
		fmt.Fprintf(o.out, "  %s  %s %d times: %s: %s\n", a.EndedAt.Format(time.DateTime), a.Outcome, a.Times, a.Error.Code, a.Error.Message)
	}
	return nil
}
