package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// Entry is one file of a batch: staged, or refused with a reason.
type Entry struct {
	Path    string
	Staged  Staged
	Refused *rag.Failure
}

// Batches keeps batches while they are received. A batch takes entries until it is sealed, canceled, or not renewed for
// too long; from then on PutEntries is a conflict.
type Batches interface {
	NewBatch(ctx context.Context, c rag.Collection, callback *rag.Callback) (rag.BatchID, error)
	// PutEntries writes entries with their documents, versions and jobs in one transaction. kept tells of each whether
	// the catalog names its blob now. An error says that nothing was written, unless it is ErrUncertain.
	PutEntries(ctx context.Context, id rag.BatchID, entries []Entry) (kept []bool, err error)
	RenewBatch(ctx context.Context, id rag.BatchID) error
	// SealBatch says that no more entries come; broken says why they ended too early, or is nil.
	SealBatch(ctx context.Context, id rag.BatchID, broken *rag.Failure) error
}

// The steps in which a batch is written: what is in a step is acknowledged together.
const (
	stepEntries = 100
	stepTime    = 2 * time.Second
	renewEvery  = 10 * time.Second
)

// MaxEntries is how many files a batch has at most.
const MaxEntries = 10_000

// Receipt is a batch being received by one request. Its first entry makes it a row in the catalog; it is not safe for
// concurrent use.
type Receipt struct {
	intake     *Intake
	collection rag.Collection
	callback   *rag.Callback
	id         rag.BatchID
	pending    []Entry
	begun      time.Time // of the pending step
	paths      map[string]bool
	entries    int
	renewing   context.CancelFunc
	renewed    chan struct{} // closed when renewing has stopped
}

// Receive begins a batch. End must be called.
func (in *Intake) Receive(collection rag.Collection, callback *rag.Callback) *Receipt {
	return &Receipt{intake: in, collection: collection, callback: callback, paths: map[string]bool{}}
}

// Entries counts what came so far.
func (r *Receipt) Entries() int { return r.entries }

// Add takes one file, whose document's id is its path. One that can't be taken is noted with its reason; an error ends
// the batch.
func (r *Receipt) Add(ctx context.Context, u Upload) error {
	return r.take(ctx, u.ExternalID, u)
}

// take takes a document that is called entry where it can't be taken.
func (r *Receipt) take(ctx context.Context, entry string, u Upload) error {
	if r.paths[u.ExternalID] {
		return r.Refuse(ctx, entry, &rag.Problem{Kind: rag.ErrInvalid, Code: "duplicate_entry", Message: "the batch has a document of this id already: " + u.ExternalID})
	}
	path := u.ExternalID
	staged, err := r.intake.Stage(ctx, r.collection, u)
	var problem *rag.Problem
	if errors.As(err, &problem) && !errors.Is(err, rag.ErrUnavailable) && !errors.Is(err, rag.ErrOverloaded) {
		return r.Refuse(ctx, entry, problem)
	}
	if err != nil {
		return err
	}
	r.paths[path] = true
	return r.add(ctx, Entry{Path: path, Staged: staged})
}

// Refuse notes a file that is not taken.
func (r *Receipt) Refuse(ctx context.Context, path string, reason *rag.Problem) error {
	return r.add(ctx, Entry{Path: path, Refused: rag.FailureOf(reason)})
}

func (r *Receipt) add(ctx context.Context, e Entry) error {
	if len(r.pending) == 0 {
		r.begun = time.Now()
	}
	r.entries++
	r.pending = append(r.pending, e)
	if len(r.pending) < stepEntries && time.Since(r.begun) < stepTime {
		return nil
	}
	return r.flush(ctx)
}

// flush writes the pending entries.
func (r *Receipt) flush(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	if r.id == 0 {
		id, err := r.intake.Batches.NewBatch(ctx, r.collection, r.callback)
		if err != nil {
			return fmt.Errorf("make batch: %w", err)
		}
		r.id = id
		r.renew(ctx)
	}
	entries := r.pending
	kept, err := r.intake.Batches.PutEntries(ctx, r.id, entries)
	if errors.Is(err, ErrUncertain) {
		r.pending = nil // their blobs stay: the catalog may name them
	}
	if err != nil {
		return fmt.Errorf("put %d entries into batch %d: %w", len(entries), r.id, err)
	}
	r.pending = nil
	var unused []Staged
	for i, e := range entries {
		if e.Refused == nil && !kept[i] {
			unused = append(unused, e.Staged)
		}
	}
	r.intake.Discard(ctx, unused)
	return nil
}

// renew keeps the batch open while its files come, however slowly.
func (r *Receipt) renew(ctx context.Context) {
	ctx, r.renewing = context.WithCancel(ctx)
	r.renewed = make(chan struct{})
	id := r.id
	go func() {
		defer close(r.renewed)
		ticker := time.NewTicker(renewEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				limited, cancel := context.WithTimeout(ctx, renewEvery)
				_ = r.intake.Batches.RenewBatch(limited, id) // where it can't be written, PutEntries says so
				cancel()
			}
		}
	}()
}

// sealTimeout bounds what is written about a batch whose request is over.
const sealTimeout = 20 * time.Second

// End writes what is pending and seals the batch. broken is why no more files come, or nil; then what was read whole is
// taken all the same. It gives the batch's id, 0 where there was no entry, and broken or the error of writing.
func (r *Receipt) End(ctx context.Context, broken error) (rag.BatchID, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealTimeout)
	defer cancel()
	err := broken
	if !errors.Is(broken, rag.ErrConflict) && !errors.Is(broken, ErrUncertain) {
		if flushed := r.flush(ctx); broken == nil {
			err = flushed
		}
	}
	var unused []Staged
	for _, e := range r.pending {
		if e.Refused == nil {
			unused = append(unused, e.Staged)
		}
	}
	r.intake.Discard(ctx, unused)
	r.pending = nil
	if r.id == 0 {
		return 0, err
	}
	r.renewing()
	<-r.renewed
	if sealed := r.intake.Batches.SealBatch(ctx, r.id, brokenOff(err)); err == nil && sealed != nil {
		err = fmt.Errorf("seal batch %d: %w", r.id, sealed)
	}
	return r.id, err
}

// brokenOff says in a batch why it did not come whole.
func brokenOff(err error) *rag.Failure {
	if err == nil {
		return nil
	}
	var problem *rag.Problem
	if errors.As(err, &problem) {
		return &rag.Failure{Code: problem.Code, Message: problem.Message}
	}
	return &rag.Failure{Code: CodeBroken, Message: MessageBroken}
}

// What a batch says whose upload broke off.
const (
	CodeBroken    = "upload_broken"
	MessageBroken = "the upload broke off; send it again: what was taken is recognised and costs nothing"
)
