package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/redkite/redkite/internal/api"
	"github.com/redkite/redkite/internal/rag"
)

// batchesCommand looks after batches.
type batchesCommand struct {
	List   batchesListCommand   `cmd:"" help:"List batches, newest first."`
	Show   batchesShowCommand   `cmd:"" help:"Show a batch and the files that were refused."`
	Watch  batchesWatchCommand  `cmd:"" help:"Follow a batch until it is over."`
	Cancel batchesCancelCommand `cmd:"" help:"End a batch that is not over: cancel its jobs."`
}

type batchesListCommand struct {
	Collection string `short:"c" help:"Only batches of this collection."`
	Limit      int    `default:"20" help:"Most batches listed, up to 100."`
	connection `embed:""`
}

// Run lists batches.
func (c batchesListCommand) Run(ctx context.Context, o output) error {
	found, err := c.client().Batches(ctx, c.Collection, c.Limit)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, found.Batches)
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tCOLLECTION\tSTATE\tDONE\tREFUSED\tFAILED\tMADE\tENDED")
	for _, b := range found.Batches {
		ended := ""
		if b.EndedAt != nil {
			ended = b.EndedAt.Format(time.DateTime)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%d/%d\t%d\t%d\t%s\t%s\n", b.ID, b.Collection, b.State, b.Done, b.Total, b.Counts.Refused, b.Counts.Failed,
			b.CreatedAt.Format(time.DateTime), ended)
	}
	return table.Flush()
}

// oneBatch names a batch.
type oneBatch struct {
	ID         rag.BatchID `arg:"" help:"The batch's number."`
	connection `embed:""`
}

type batchesShowCommand struct{ oneBatch }

// Run shows a batch.
func (c batchesShowCommand) Run(ctx context.Context, o output) error {
	batch, err := c.client().Batch(ctx, c.ID, 0, 0)
	return printBatch(o, batch, err)
}

type batchesCancelCommand struct{ oneBatch }

// Run cancels a batch.
func (c batchesCancelCommand) Run(ctx context.Context, o output) error {
	batch, err := c.client().CancelBatch(ctx, c.ID)
	return printBatch(o, batch, err)
}

type batchesWatchCommand struct{ oneBatch }

// Run shows a batch's progress, and the batch when it is over; one that did not come about whole is exit status 1.
func (c batchesWatchCommand) Run(ctx context.Context, o output) error {
	server := c.client()
	var err error
	if o.json {
		var printed error
		_, err = server.FollowBatch(ctx, c.ID, func(b api.Batch) {
			printed = errors.Join(printed, json.NewEncoder(o.out).Encode(b)) // one a line
		})
		err = errors.Join(err, printed)
	} else {
		var batch api.Batch
		if batch, err = server.Batch(ctx, c.ID, 0, 0); err == nil {
			_, err = follow(ctx, server, o, batch)
		}
	}
	if err != nil {
		return err
	}
	batch, err := server.Batch(ctx, c.ID, 0, 0)
	if err == nil && !o.json {
		err = printBatch(o, batch, nil)
	}
	if err == nil && (batch.Error != nil || batch.Counts.Refused+batch.Counts.Failed+batch.Counts.Canceled > 0) {
		return exitError(1)
	}
	return err
}

func printBatch(o output, b api.Batch, err error) error {
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, b)
	}
	n := b.Counts
	fmt.Fprintf(o.out, "batch %d into %s: %s, %d of %d files done\n", b.ID, b.Collection, b.State, b.Done, b.Total)
	fmt.Fprintf(o.out, "  %d searchable, %d unchanged, %d waiting or running, %d refused, %d failed, %d canceled\n",
		n.Succeeded, n.Unchanged, n.Queued+n.Running+n.Retrying, n.Refused, n.Failed, n.Canceled)
	if b.FilesASecond > 0 {
		left := time.Duration(b.SecondsLeft * float64(time.Second)).Round(time.Second)
		fmt.Fprintf(o.out, "  %.1f files a second, about %s left\n", b.FilesASecond, left)
	}
	if b.Error != nil {
		fmt.Fprintf(o.out, "  %s: %s\n", b.Error.Code, b.Error.Message)
	}
	if c := b.Callback; c != nil {
		fmt.Fprintf(o.out, "  callback to %s: %s, %d attempts", c.URL, c.State, c.Attempts)
		if c.Error != nil {
			fmt.Fprintf(o.out, ", %s: %s", c.Error.Code, c.Error.Message)
		}
		fmt.Fprintln(o.out)
	}
	for _, e := range b.Refused {
		fmt.Fprintf(o.out, "  refused %s: %s\n", e.File, e.Detail)
	}
	if b.RefusedNext != 0 {
		fmt.Fprintln(o.out, "  and more; GET /api/v1/batches/ID?refused_after= lists them all")
	}
	return nil
}
