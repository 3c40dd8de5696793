// Package sample holds a small made-up cluster for demonstrations and tests: eight nodes in
// every role, two node groups, nine instances on plain, file and DRBD disks, two links, two
// networks and two job filters. All its addresses and names are reserved for documentation.
// Generate makes similar clusters of any size.
package sample

import _ "embed"

// Config is the cluster's config.data. Its members, their order and the spelling of the
// numbers are those of Ganeti 3.0; only the line breaks are added for readers, because
// Ganeti writes everything in one line. Do not modify it.
//
//go:embed config.data
var Config []byte

// Key is the cluster's hmac.key, including the newline that Ganeti puts at its end and that
// is part of the key. Do not modify it.
//
//go:embed hmac.key
var Key []byte
