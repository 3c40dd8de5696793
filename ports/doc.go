// Package ports has client libraries for other languages than Go, each on code that is
// generated into gen. Its tests hold all of them against the vectors, the scenarios for
// clients, and the daemons.
package ports
