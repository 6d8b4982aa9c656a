package main

import (
	"context"
	"encoding/json"
	"errors"
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
	Watch  jobsWatchCommand  `cmd:"" help:"Follow a job until it is over."`
	Cancel jobsCancelCommand `cmd:"" help:"End an ingest job that is not over."`
	Retry  jobsRetryCommand  `cmd:"" help:"Run a job that failed or was canceled once more."`
}

type jobsListCommand struct {
	State      string `enum:",queued,running,retrying,succeeded,failed,canceled" default:"" help:"Only jobs in this state."`
	Kind       string `enum:",ingest,clean_up,delete_document,delete_documents,delete_collection,reconcile,rebuild,callback" default:"" help:"Only jobs of this kind."`
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
	fmt.Fprintln(table, "ID\tKIND\tSTATE\tSTAGE\tCHUNKS\tATTEMPTS\tMADE\tDOCUMENT\tERROR")
	for _, j := range found.Jobs {
		message := ""
		if j.Error != nil {
			message = j.Error.Message
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d/%d\t%d\t%s\t%s\t%s\n", j.ID, j.Kind, j.State, j.Stage, j.Done, j.Total, j.Attempts,
			j.CreatedAt.Format(time.DateTime), about(j), message)
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

type jobsWatchCommand struct{ oneJob }

// Run shows a job's progress, and the job when it is over; one that has not succeeded is exit status 1.
func (c jobsWatchCommand) Run(ctx context.Context, o output) error {
	server := c.client()
	var bar *progress
	var before api.JobProgress
	var printed error
	_, err := server.FollowJob(ctx, c.ID, func(p api.JobProgress) {
		switch {
		case o.json:
			printed = errors.Join(printed, json.NewEncoder(o.out).Encode(p)) // one a line
		case bar != nil && p.Done > before.Done:
			bar.add(p.Done-before.Done, "")
		case bar == nil && p.Total > 0 && !p.State.Final():
			bar = newProgress(o, p.Total, "chunks")
			bar.add(p.Done, "")
		case bar == nil && (p.State != before.State || p.Stage != before.Stage):
			fmt.Fprintf(o.err, "%s, %s\n", p.State, p.Stage)
		}
		before = p
	})
	if bar != nil {
		bar.finish()
	}
	if err = errors.Join(err, printed); err != nil {
		return err
	}
	job, err := server.Job(ctx, c.ID, 0)
	if err != nil {
		return err
	}
	if !o.json {
		err = printJob(o, job, nil)
	}
	if err == nil && job.State != rag.JobSucceeded {
		return exitError(1)
	}
	return err
}

// about names what a job is for.
func about(j api.Job) string {
	if j.DocumentID == "" {
		return j.Collection
	}
	return j.Collection + "/" + j.DocumentID
}

func printJob(o output, job api.Job, err error) error {
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, job)
	}
	fmt.Fprintf(o.out, "job %d, %s %s: %s at stage %s, %d of %d chunks (%d kept their vectors), %d attempts\n",
		job.ID, job.Kind, about(job), job.State, job.Stage, job.Done, job.Total, job.Reused, job.Attempts)
	if job.Error != nil {
		fmt.Fprintf(o.out, "%s: %s\n", job.Error.Code, job.Error.Message)
	}
	for _, a := range job.BadAttempts {
		fmt.Fprintf(o.out, "  %s  %s (%d times, last by %s): %s: %s\n", a.EndedAt.Format(time.DateTime), a.Outcome, a.Times, a.Worker, a.Error.Code, a.Error.Message)
	}
	return nil
}
