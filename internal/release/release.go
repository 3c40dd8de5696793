// Package release returns the release of the running program.
package release

import "runtime/debug"

// version and revision are set by the linker when packages are built.
var version, revision string

// Version returns the version of the package that contains the program, otherwise that of
// its module, or "(devel)" if neither is known.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// Revision returns the commit that the program was built from, or "" if it is unknown.
// Package builds set it: the go command silently omits it if git is not usable.
func Revision() string {
	if revision != "" {
		return revision
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return ""
}
