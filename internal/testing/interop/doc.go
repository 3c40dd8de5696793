// Package interop tests the daemon beside the real thing: Ganeti's own ganeti-confd, of
// releases 3.0.2 and 3.1, answers the same questions about the same configurations, and
// Ganeti's own clients, of release 3.0, talk to ours and to the daemon of their release: the Python library, confd-client, query-config, gnt-node list-drbd, the
// collectors of mon-collector, ganeti-mond, and the watcher's node maintenance. It has no
// code of its own outside the tests.
//
// The tests need Ganeti 3.0 (Debian packages ganeti, ganeti-3.0 and ganeti-haskell-3.0) and
// the daemon of release 3.1, which judges/unpack-3.1 fetches. They skip where a part of that
// is missing, unless CONFD_INTEROP=require makes it a failure.
// CONFD_INTEROP_DAEMON names a program to test instead of the one built from this
// tree; with /usr/sbin/ganeti-confd the tests that only compare must find nothing.
//
// Many more random clusters than in a normal run:
//
//	go test ./internal/testing/interop -run Random -clusters 200 -seed 1000 -timeout 1h
package interop
