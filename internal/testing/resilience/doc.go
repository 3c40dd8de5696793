// Package resilience tests the client library on many hosts: master candidates of
// different ages that are dead, slow, stale, cut off, set up wrongly or restarted all
// the time, on networks that lose, repeat and reorder datagrams, with one address
// family or both, and with several addresses on a host. It has no code of its own
// outside the tests.
//
// The hosts are network namespaces, each with this project's own daemon in a process
// of its own. The namespaces have no names: they end with the processes that use them,
// however those end, and the machine's own network is never touched. They take Linux,
// iproute2's ip, and root or the right to make user namespaces; without these the
// tests skip, unless CONFD_INTEROP=require makes that a failure.
package resilience
