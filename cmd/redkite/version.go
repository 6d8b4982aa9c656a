package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCommand prints what this binary is.
type versionCommand struct{}

// Run prints version, revision and Go version.
func (versionCommand) Run(o output) error {
	facts := map[string]string{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" {
				facts["revision"] = s.Value
			}
		}
	}
	if o.json {
		return printJSON(o, facts)
	}
	fmt.Fprintf(o.out, "redkite %s (%s, %s)\n", facts["version"], facts["go"], facts["platform"])
	return nil
}

// printJSON prints a result as indented JSON.
func printJSON(o output, v any) error {
	encoder := json.NewEncoder(o.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
