package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Digest is a SHA-256 over the hashes of the files that decide what a model computes: graph, weights and tokenizer.
func (s Spec) Digest() string {
	var lines []string
	for _, f := range s.Files {
		if slices.Contains([]string{RoleGraph, RoleData, RoleTokenizer}, f.Role) {
			lines = append(lines, f.Role+" "+f.SHA256)
		}
	}
	slices.Sort(lines)
	sum := sha256.New()
	for _, line := range lines {
		fmt.Fprintln(sum, line)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
