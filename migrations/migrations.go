// Package migrations holds the database schemas, numbered NNNN_name.sql and embedded in the binary. A released file is
// never edited: a change is a new file, which first adds (so that the version before still runs) and removes only what
// no released version reads any more.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed catalog/*.sql
var files embed.FS

// Catalog gives the catalog's migrations, one file each.
func Catalog() fs.FS {
	sub, err := fs.Sub(files, "catalog")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}
