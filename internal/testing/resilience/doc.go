// Package resilience tests the client library among many hosts: master candidates with
// configurations of different ages that are dead, slow, stale, cut off, misconfigured or
// restarting all the time, on networks that lose, repeat and reorder datagrams, with one
// address family or both, and with several addresses per host. It has only tests.
//
// The hosts are network namespaces, each with this project's own daemon in a separate
// process. The namespaces have no names: they end with the processes that use them, however
// those end, and the machine's own network is never touched. They need Linux, iproute2's
// ip, and root or the right to create user namespaces; without these the tests are skipped,
// or fail with CONFD_INTEROP=require.
package resilience
