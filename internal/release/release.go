// Package release says which release of the project a program is.
package release

import "runtime/debug"

// version and revision are set by the linker when packages are built.
var version, revision string

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

// Revision returns the commit that the program was built from, "" where that is not
// known. Packages say it themselves: the go command leaves it out where it takes git
// for unusable, without a word.
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
