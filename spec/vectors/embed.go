// Package vectors holds the conformance vectors of the confd protocol as data.
// It contains no code beside the embedded files; README.md in this directory
// explains them.
package vectors

import "embed"

// Files holds the vectors by dialect, their configurations and key, those of
// signatures, the scenarios for clients, the schemas, and lists of what daemons are
// known to fail.
//
//go:embed 2.6 3.0 clients/*.json configs known-failing *.json hmac.key
var Files embed.FS
