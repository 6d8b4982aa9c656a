package evaluate

import (
	"errors"
	"fmt"
	"strings"
)

// ErrFault marks what is wrong with what the user gave: a labelled set, a file of configurations, a kept run.
var ErrFault = errors.New("bad input")

// Fault is one thing that is wrong with a file.
type Fault struct {
	Path string
	Line int // from 1; 0 where the file as a whole is meant
	What string
}

// Error gives file, line and what is wrong.
func (f *Fault) Error() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.Path, f.What)
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.What)
}

// Is makes a Fault an ErrFault.
func (f *Fault) Is(target error) bool { return target == ErrFault }

// Faults are several things that are wrong.
type Faults []*Fault

// mostFaults is how many are told of at once.
const mostFaults = 10

// Error gives a line for each fault, the first ten.
func (f Faults) Error() string {
	lines := make([]string, 0, mostFaults+1)
	for _, fault := range f[:min(mostFaults, len(f))] {
		lines = append(lines, fault.Error())
	}
	if more := len(f) - mostFaults; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Is makes Faults an ErrFault.
func (f Faults) Is(target error) bool { return target == ErrFault }

// or gives the faults as an error, or nil where there are none.
func (f Faults) or() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

func fault(path string, line int, format string, args ...any) *Fault {
	return &Fault{Path: path, Line: line, What: fmt.Sprintf(format, args...)}
}
