package postgrestest

import (
	"testing"
	"time"
)

// TestEndIsNoticed starts a second server on a folder whose server runs: it refuses to, and Restart must learn that, to
// try again.
func TestEndIsNoticed(t *testing.T) {
	first := Start(t)
	second := &Server{programs: first.programs, dir: first.dir, as: first.as}
	if err := second.start(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-second.done:
		if err == nil {
			t.Error("the second server ended as if all were well")
		}
	case <-time.After(10 * time.Second):
		_ = second.keep.Close()
		t.Error("nobody notices that the second server has ended")
	}
}
