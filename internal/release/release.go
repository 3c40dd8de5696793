// Package release says which release of the project a program is.
package release

import "runtime/debug"

// version is set by the linker when packages are built.
var version string

// Version returns the version of the package that the program came in, else that of
// its module, "(devel)" where neither is known.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
