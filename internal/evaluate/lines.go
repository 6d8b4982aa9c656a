package evaluate

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// maxLine bounds a line of a set's files, in bytes.
const maxLine = 16 << 20

// eachLine gives every line of a file that is not blank to read, with its number. A fault that read gives is noted, and
// reading goes on, until there are more than can be told of.
func eachLine(path string, read func(n int, line string) *Fault) (lines int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fault(path, 0, "there is no such file; docs/evaluation.md says what a labelled set consists of")
	}
	if err != nil {
		return 0, fmt.Errorf("read labelled set: %w", err)
	}
	defer f.Close()
	var faults Faults
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, maxLine)
	n := 0
	for scanner.Scan() && len(faults) <= mostFaults {
		n++
		line := strings.TrimPrefix(scanner.Text(), "\ufeff")
		if strings.TrimSpace(line) == "" {
			continue
		}
		lines++
		if found := read(n, line); found != nil {
			faults = append(faults, found)
		}
	}
	if err := scanner.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return lines, fault(path, n+1, "the line is longer than %d bytes", maxLine)
		}
		return lines, fmt.Errorf("read %s: %w", path, err)
	}
	return lines, faults.or()
}

// object reads a line as a JSON object; members that into does not name are passed over.
func object(path string, n int, line string, into any) *Fault {
	if err := json.Unmarshal([]byte(line), into); err != nil {
		return fault(path, n, "not a JSON object as expected: %v", err)
	}
	return nil
}
