// Package sample holds a small, made-up cluster for demonstrations and tests:
// eight nodes in every role, two node groups, nine instances on plain, file and
// DRBD disks, two links, two networks and two job filters. All its addresses and
// names are ones that are reserved for documentation. Generate makes clusters of any
// size in its likeness.
package sample

import _ "embed"

// Config is the cluster's config.data. Members, their order and the spelling of
// the numbers are those of Ganeti 3.0; the line breaks are for the reader, as
// Ganeti writes it all in one line. It must not be changed.
//
//go:embed config.data
var Config []byte

// Key is the cluster's hmac.key, with the newline that Ganeti ends it with and
// that is part of the key. It must not be changed.
//
//go:embed hmac.key
var Key []byte
