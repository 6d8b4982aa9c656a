package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/redkite/redkite/internal/app"
	"github.com/redkite/redkite/internal/config"
	"github.com/redkite/redkite/internal/rag"
)

// migrateCommand brings the catalog up to date.
type migrateCommand struct {
	config.Settings `embed:""`
}

// Run migrates.
func (c migrateCommand) Run(ctx context.Context, o output) error {
	if err := app.Migrate(ctx, c.Settings, newLog(c.Settings)); err != nil {
		return err
	}
	if o.json {
		return printJSON(o, map[string]bool{"migrated": true})
	}
	fmt.Fprintln(o.out, "the catalog is up to date")
	return nil
}

// doctorCommand looks for what is wrong.
type doctorCommand struct {
	config.Settings `embed:""`
}

// Run prints every finding; it fails when one is bad.
func (c doctorCommand) Run(ctx context.Context, o output) error {
	c.LogLevel = "error"
	findings := app.Doctor(ctx, c.Settings, newLog(c.Settings))
	bad := 0
	for _, f := range findings {
		if !f.OK {
			bad++
		}
	}
	if o.json {
		if err := printJSON(o, findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			mark := "ok  "
			if !f.OK {
				mark = "FAIL"
			}
			fmt.Fprintf(o.out, "%s  %-12s  %s\n", mark, f.Name, f.Detail)
			if f.Mend != "" {
				fmt.Fprintf(o.out, "      %-12s  %s\n", "", f.Mend)
			}
		}
	}
	if bad > 0 {
		return exitError(1)
	}
	return nil
}

// keysCommand manages API keys.
type keysCommand struct {
	Create keysCreateCommand `cmd:"" help:"Make a key; its secret is shown once."`
	List   keysListCommand   `cmd:"" help:"List keys."`
	Revoke keysRevokeCommand `cmd:"" help:"Make a key worthless."`
}

type keysCreateCommand struct {
	Name            string `arg:"" help:"What the key is for."`
	Tenant          string `default:"default" help:"Tenant whose collections the key opens."`
	ReadOnly        bool   `help:"The key may search and read, and change nothing."`
	config.Settings `embed:""`
}

// Run makes a key.
func (c keysCreateCommand) Run(ctx context.Context, o output) error {
	scope := rag.ScopeWrite
	if c.ReadOnly {
		scope = rag.ScopeRead
	}
	key, err := app.CreateKey(ctx, c.Settings, newLog(c.Settings), c.Tenant, c.Name, scope)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, key)
	}
	fmt.Fprintf(o.out, "%s\n", key.Secret)
	fmt.Fprintf(o.err, "key %s of tenant %s, which may %s; keep the secret, it is not shown again\n", key.ID, key.Tenant, key.Scope)
	return nil
}

type keysListCommand struct {
	config.Settings `embed:""`
}

// Run lists keys.
func (c keysListCommand) Run(ctx context.Context, o output) error {
	keys, err := app.Keys(ctx, c.Settings, newLog(c.Settings))
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o, keys)
	}
	table := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tTENANT\tNAME\tMAY\tMADE\tLAST USED\tREVOKED")
	for _, k := range keys {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Tenant, k.Name, k.Scope, k.CreatedAt.Format(time.DateTime), day(k.LastUsedAt), day(k.RevokedAt))
	}
	return table.Flush()
}

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.DateTime)
}

type keysRevokeCommand struct {
	ID              string `arg:"" help:"The key's id, as listed."`
	config.Settings `embed:""`
}

// Run revokes a key.
func (c keysRevokeCommand) Run(ctx context.Context, o output) error {
	if err := app.RevokeKey(ctx, c.Settings, newLog(c.Settings), c.ID); err != nil {
		return err
	}
	if o.json {
		return printJSON(o, map[string]string{"revoked": c.ID})
	}
	fmt.Fprintln(o.out, "revoked", c.ID)
	return nil
}
