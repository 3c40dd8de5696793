// Package packaging has what an installation consists of beside the programs, and
// tests of it.
package packaging
