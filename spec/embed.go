// Package spec contains the confd protocol and the layout of Ganeti's configuration file as
// data: JSON Schemas (draft-07), named constants and conformance vectors. README.md in this
// directory explains them. It has no code except for the embedded files.
package spec

import "embed"

// Files holds every schema and table of this directory, by file name.
//
//go:embed *.json
var Files embed.FS
