package api

import (
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Batch describes a batch.
type Batch struct {
	ID           rag.BatchID    `json:"id"`
	Collection   string         `json:"collection"`
	State        rag.BatchState `json:"state" enum:"receiving,running,ended,canceled" doc:"receiving: files are still coming; running: all have come, and some jobs are not over."`
	Done         int            `json:"done" doc:"Files that are over, whatever became of them."`
	Total        int            `json:"total" doc:"Files; it grows while the batch is received."`
	Counts       BatchCounts    `json:"counts"`
	FilesASecond float64        `json:"files_a_second,omitempty" doc:"Files that ended, in the last minute."`
	SecondsLeft  float64        `json:"seconds_left,omitempty" doc:"An estimate from that."`
	Error        *rag.Failure   `json:"error,omitempty" doc:"Why the upload broke off. What came before is in the batch; send it all again, and that costs nothing."`
	CreatedAt    time.Time      `json:"created_at"`
	ReceivedAt   *time.Time     `json:"received_at,omitempty" doc:"When the last file had come, or the upload broke off."`
	EndedAt      *time.Time     `json:"ended_at,omitempty" doc:"When the last job was over; left out again while one of them is retried."`
	Callback     *Callback      `json:"callback,omitempty"`
	Refused      []RefusedEntry `json:"refused,omitempty" doc:"Files that were not taken, where one batch is asked for."`
	RefusedNext  int            `json:"refused_next,omitempty" doc:"Give it as 'refused_after' for the next page; left out on the last."`
}

// BatchCounts counts a batch's files.
type BatchCounts struct {
	Refused   int `json:"refused" doc:"Not taken."`
	Unchanged int `json:"unchanged" doc:"There already, the same."`
	Queued    int `json:"queued"`
	Running   int `json:"running"`
	Retrying  int `json:"retrying"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Canceled  int `json:"canceled" doc:"On request, or by a newer upload or a deletion."`
}

// RefusedEntry is one file of a batch that was not taken.
type RefusedEntry struct {
	Number int    `json:"number" doc:"Its place in the batch, from 1."`
	File   string `json:"file"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Callback says what became of telling a client that its batch has ended.
type Callback struct {
	URL         string       `json:"url"`
	State       string       `json:"state" enum:"waiting,queued,running,retrying,succeeded,failed,canceled" doc:"waiting: the batch is not over."`
	JobID       rag.JobID    `json:"job_id,omitempty" doc:"The job that tells it."`
	Attempts    int          `json:"attempts"`
	Error       *rag.Failure `json:"error,omitempty" doc:"How the last try failed."`
	NextRunAt   *time.Time   `json:"next_run_at,omitempty"`
	DeliveredAt *time.Time   `json:"delivered_at,omitempty"`
}

// Batches is a page of batches, newest first.
type Batches struct {
	Batches []Batch     `json:"batches"`
	Next    rag.BatchID `json:"next,omitempty" doc:"Give it as 'before' for the next page; left out on the last."`
}

// BatchEndedType is the type of a BatchEnded.
const BatchEndedType = "batch.ended"

// BatchEnded is the body of a callback.
type BatchEnded struct {
	Type      string    `json:"type" enum:"batch.ended"`
	Timestamp time.Time `json:"timestamp" doc:"When the batch ended."`
	Data      Batch     `json:"data"`
}

// BatchOf writes a batch.
func BatchOf(b rag.Batch) Batch {
	return Batch{
		ID: b.ID, Collection: b.Name, State: b.State, Done: b.Counts.Done(), Total: b.Counts.Done() + b.Counts.Open(), Counts: BatchCounts(b.Counts),
		FilesASecond: b.Rate, SecondsLeft: b.Left().Seconds(), Error: b.Error,
		CreatedAt: b.CreatedAt, ReceivedAt: b.ReceivedAt, EndedAt: b.EndedAt, Callback: callbackOf(b.Callback),
	}
}

func callbackOf(c *rag.Callback) *Callback {
	if c == nil {
		return nil
	}
	out := &Callback{URL: c.URL, State: string(c.State), JobID: c.Job, Attempts: c.Attempts, Error: c.Error, NextRunAt: c.NextRunAt}
	if out.State == "" {
		out.State = "waiting"
	}
	if c.State == rag.JobSucceeded {
		out.DeliveredAt = c.FinishedAt
	}
	if c.Error != nil && c.Error.Code == "internal" { // a receiver's failure is not ours
		out.Error = &rag.Failure{Code: "callback_failed", Message: c.Error.Message}
	}
	return out
}
