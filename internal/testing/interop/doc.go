// Package interop tests the daemon against Ganeti's own. Ganeti's ganeti-confd, releases
// 3.0.2 and 3.1, answers the same questions about the same configurations. Ganeti's
// clients, release 3.0, query our daemon and that of their release: the Python library,
// confd-client, query-config, gnt-node list-drbd, the collectors of mon-collector,
// ganeti-mond, and the watcher's node maintenance. The package has only tests.
//
// The tests need Ganeti 3.0 (Debian packages ganeti, ganeti-3.0 and ganeti-haskell-3.0) and
// the daemon of release 3.1, which judges/unpack-3.1 fetches. If something is missing they
// are skipped, or fail with CONFD_INTEROP=require. CONFD_INTEROP_DAEMON names a program to
// test instead of the one built from this tree; with /usr/sbin/ganeti-confd the tests that
// only compare must find no differences.
//
// To test many more random clusters than normally:
//
//	go test ./internal/testing/interop -run Random -clusters 200 -seed 1000 -timeout 1h
package interop
