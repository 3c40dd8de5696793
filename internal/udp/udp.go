// Package udp reads and writes datagrams in batches. It has the sockets that share a
// daemon's address, the client's end of one, and the batches that one system call fills or
// sends.
package udp
