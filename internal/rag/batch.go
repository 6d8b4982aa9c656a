package rag

import "time"

// BatchID names a batch.
type BatchID int64

// Batch is one upload of many files, and what became of them.
type Batch struct {
	ID         BatchID
	Collection CollectionID
	Name       string // of the collection
	State      BatchState
	Counts     BatchCounts
	Rate       float64  // entries a second that ended in the last minute
	Error      *Failure // why the upload broke off, or nil; what came before is in the batch
	CreatedAt  time.Time
	ReceivedAt *time.Time // when its last file came, or the upload broke off
	EndedAt    *time.Time // when the last of its jobs was over; nil again while one of them is retried
	Callback   *Callback  // nil where none was asked for
}

// BatchState is where a batch stands.
type BatchState string

// The states of a batch. An ended or canceled one is over.
const (
	BatchReceiving BatchState = "receiving" // files are still coming
	BatchRunning   BatchState = "running"   // all have come, and some jobs are not over
	BatchEnded     BatchState = "ended"
	BatchCanceled  BatchState = "canceled" // ended, on request
)

// Final reports whether nothing will change by itself.
func (s BatchState) Final() bool { return s == BatchEnded || s == BatchCanceled }

// BatchCounts counts a batch's entries: those without a job, and the others by their job's state.
type BatchCounts struct {
	Refused   int // not taken
	Unchanged int // there already
	Queued    int
	Running   int
	Retrying  int
	Succeeded int
	Failed    int
	Canceled  int
}

// Open counts the entries that are not over.
func (c BatchCounts) Open() int { return c.Queued + c.Running + c.Retrying }

// Done counts the entries that are over.
func (c BatchCounts) Done() int {
	return c.Refused + c.Unchanged + c.Succeeded + c.Failed + c.Canceled
}

// Left estimates how long the batch will take, from its rate; 0 where that can't be told.
func (b Batch) Left() time.Duration {
	if b.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(b.Counts.Open()) / b.Rate * float64(time.Second))
}

// Callback says whom to tell of a batch's end, and what became of that.
type Callback struct {
	URL        string
	Secret     string // signs; empty for the server's. It is not read back with a batch.
	Job        JobID  // that tells it; 0 while the batch is not over
	State      JobState
	Attempts   int
	Error      *Failure // of the last attempt that failed
	NextRunAt  *time.Time
	FinishedAt *time.Time
}

// RefusedEntry is a file of a batch that was not taken.
type RefusedEntry struct {
	Number int // its place in the batch, from 1
	Path   string
	Error  Failure
}
