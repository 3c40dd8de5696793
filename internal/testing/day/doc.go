// Package day records an operator's day, docs/day.md: the package is installed, daemons are
// asked, things go wrong and are mended, and the package is removed. It has only tests.
//
// All of it happens in a copy of this machine's files, with a network of its own, where
// dpkg and Ganeti's tools are the real ones. The test needs root, dpkg, and Ganeti's
// packages without a cluster.
package day
