package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/redkite/redkite/internal/app"
	"github.com/redkite/redkite/internal/config"
)

// serveCommand runs the server until it is told to stop.
type serveCommand struct {
	config.Settings `embed:""`
	PrintConfig     bool `help:"Print the settings in force, secrets hidden, and stop."`
}

// Run serves until ctx ends.
func (c serveCommand) Run(ctx context.Context, o output) error {
	if c.PrintConfig {
		return config.Print(o.out, c.Settings)
	}
	return app.Run(ctx, app.Options{Settings: c.Settings, Version: version, Log: newLog(c.Settings)})
}

// newLog writes to standard error in the form that is set.
func newLog(s config.Settings) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // the command line lets known levels through only
	options := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
