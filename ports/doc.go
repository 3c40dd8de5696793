// Package ports has client libraries for languages other than Go, each based on code that is
// generated into gen. Its tests run all of them against the vectors, the scenarios for clients,
// and the daemons.
package ports
