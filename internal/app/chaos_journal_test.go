package app

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// journal is what the chaos test's clients know of each document, and what that allows a reader to see. A document has
// one writer, so its operations follow each other; a reader may come in between.
type journal struct {
	mu         sync.Mutex
	documents  map[int]*entry
	violations []string
	reads      int
}

// entry is one document. Revisions count up from 1; 0 is no document.
type entry struct {
	begun    int          // the newest revision that anyone tried to write
	acked    int          // the last acknowledged state: a revision, or 0
	maybe    map[int]bool // states that unacknowledged operations since may have brought
	visible  int          // a revision that was searchable, acknowledged as such; 0 where that is not known
	absent   bool         // a deletion was acknowledged, and no upload was begun since
	changing int          // counts operations begun
}

func newJournal() *journal { return &journal{documents: map[int]*entry{}} }

func (j *journal) entry(id int) *entry {
	e := j.documents[id]
	if e == nil {
		e = &entry{maybe: map[int]bool{}, absent: true}
		j.documents[id] = e
	}
	return e
}

// beginUpload gives the revision to upload.
func (j *journal) beginUpload(id int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entry(id)
	e.begun++
	e.changing++
	e.absent = false
	e.maybe[e.begun] = true
	return e.begun
}

// uploaded notes an acknowledgement, and whether it said that the revision is searchable.
func (j *journal) uploaded(id, revision int, searchable bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entry(id)
	e.acked, e.maybe = revision, map[int]bool{}
	if searchable {
		e.visible = revision
	}
}

func (j *journal) beginDelete(id int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entry(id)
	e.changing++
	e.maybe[0] = true
	e.visible = 0
}

func (j *journal) deleted(id int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entry(id)
	e.acked, e.maybe, e.absent, e.visible = 0, map[int]bool{}, true, 0
}

// blame notes what did not hold.
func (j *journal) blame(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.violations = append(j.violations, fmt.Sprintf(format, args...))
}

// found gives what did not hold so far.
func (j *journal) found() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.violations)
}

// look gives a document as it is known before a read.
func (j *journal) look(id int) entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := *j.entry(id)
	return e
}

// saw checks what a read found: the revision of each chunk. before is what was known when the read began.
func (j *journal) saw(id int, before entry, revisions []int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	now := j.entry(id)
	blame := func(format string, args ...any) {
		j.violations = append(j.violations, fmt.Sprintf("%s: document %d, known before %+v, now %+v: ",
			time.Now().UTC().Format("15:04:05.000"), id, before, *now)+fmt.Sprintf(format, args...))
	}
	for _, r := range revisions {
		switch {
		case r != revisions[0]:
			blame("mixed revisions %v", revisions)
			return
		case r > now.begun:
			blame("revision %d, which nobody wrote", r)
			return
		}
	}
	if n := len(revisions); n != 0 && n != chaosParts {
		blame("%d of %d chunks", n, chaosParts)
	}
	undisturbed := before.changing == now.changing
	if before.absent && undisturbed && len(revisions) > 0 {
		blame("a deleted document was returned: %v", revisions)
	}
	if before.visible > 0 && now.visible >= before.visible && len(revisions) == 0 {
		blame("a searchable document was not returned")
	}
	if before.visible > 0 && len(revisions) > 0 && revisions[0] < before.visible {
		blame("revision %d came back after %d was searchable", revisions[0], before.visible)
	}
}

// settled checks a document when nothing is under way any more: state is its revision, or 0.
func (j *journal) settled(id, state int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entry(id)
	if state != e.acked && !e.maybe[state] {
		j.violations = append(j.violations, fmt.Sprintf("document %d is at revision %d, acknowledged was %d, possible %v", id, state, e.acked, e.maybe))
	}
	// What is known now is all there is to know.
	e.acked, e.maybe, e.absent, e.visible = state, map[int]bool{}, state == 0, state
}

// TestJournalBlames plants each kind of fault: the chaos test must be able to fail.
func TestJournalBlames(t *testing.T) {
	whole := func(r int) []int {
		out := make([]int, chaosParts)
		for i := range out {
			out[i] = r
		}
		return out
	}
	for name, test := range map[string]struct {
		happens func(j *journal)
		want    int
	}{
		"nothing wrong": {func(j *journal) {
			j.uploaded(1, j.beginUpload(1), true)
			j.saw(1, j.look(1), whole(1))
			before := j.look(1)
			j.beginUpload(1)
			j.saw(1, before, whole(1))
			j.saw(1, j.look(1), whole(2)) // not acknowledged, and there
			j.settled(1, 2)
		}, 0},
		"mixed": {func(j *journal) {
			j.uploaded(1, j.beginUpload(1), true)
			j.beginUpload(1)
			j.saw(1, j.look(1), []int{1, 2, 2})
		}, 1},
		"torn": {func(j *journal) { j.uploaded(1, j.beginUpload(1), false); j.saw(1, j.look(1), []int{1}) }, 1},
		"deleted returned": {func(j *journal) {
			j.uploaded(1, j.beginUpload(1), true)
			j.beginDelete(1)
			j.deleted(1)
			j.saw(1, j.look(1), whole(1))
		}, 1},
		"deleted during a read": {func(j *journal) {
			j.uploaded(1, j.beginUpload(1), true)
			before := j.look(1)
			j.beginDelete(1)
			j.deleted(1)
			j.saw(1, before, whole(1))
		}, 0},
		"uploaded during a read": {func(j *journal) {
			before := j.look(1)
			j.uploaded(1, j.beginUpload(1), true)
			j.saw(1, before, whole(1))
		}, 0},
		"vanished": {func(j *journal) { j.uploaded(1, j.beginUpload(1), true); j.saw(1, j.look(1), nil) }, 1},
		"vanished in a replace": {func(j *journal) {
			j.uploaded(1, j.beginUpload(1), true)
			j.beginUpload(1)
			j.saw(1, j.look(1), nil)
		}, 1},
		"not searchable yet": {func(j *journal) { j.uploaded(1, j.beginUpload(1), false); j.saw(1, j.look(1), nil) }, 0},
		"an old revision": {func(j *journal) {
			j.beginUpload(1)
			j.uploaded(1, j.beginUpload(1), true)
			j.saw(1, j.look(1), whole(1))
		}, 1},
		"nobody's revision":  {func(j *journal) { j.saw(1, j.look(1), whole(9)) }, 2},
		"acknowledged, lost": {func(j *journal) { j.uploaded(1, j.beginUpload(1), false); j.settled(1, 0) }, 1},
		"not acknowledged, lost": {func(j *journal) {
			j.uploaded(1, j.beginUpload(1), true)
			j.beginUpload(1)
			j.settled(1, 1)
		}, 0},
		"deletion undone": {func(j *journal) {
			j.uploaded(1, j.beginUpload(1), true)
			j.beginDelete(1)
			j.deleted(1)
			j.settled(1, 1)
		}, 1},
	} {
		j := newJournal()
		test.happens(j)
		if (len(j.violations) > 0) != (test.want > 0) {
			t.Errorf("%s: found %q, want %d", name, j.violations, test.want)
		}
	}
}
