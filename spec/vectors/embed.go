// Package vectors contains the conformance vectors of the confd protocol as data. README.md
// in this directory explains them. It has no code except for the embedded files.
package vectors

import "embed"

// Files holds the vectors by dialect, their configurations and key, the signatures, the
// scenarios for daemons and clients, the schemas, and the lists of known failures.
//
//go:embed 2.6 3.0 auto clients/*.json configs known-failing scenarios *.json hmac.key
var Files embed.FS
