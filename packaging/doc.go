// Package packaging has the files that are installed besides the programs, and tests of
// them.
package packaging
