// Package udp reads and writes datagrams in batches: it has the sockets that
// share a daemon's address, and the batches that one system call fills or sends.
package udp
