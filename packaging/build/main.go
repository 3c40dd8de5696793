// Command build builds the packages in one go: the programs for this machine's
// architecture, the files that go with them, and from these the packages described in
// packaging/nfpm.yaml. Beside them it puts the conformance suite alone. Run it in the project's root.
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	_ "github.com/goreleaser/nfpm/v2/rpm"

	"gntconfd/internal/terminal"
)

// programs are the commands below cmd/ that are packaged.
var programs = []string{"ganeti-confd", "confdctl", "confd-conformance"}

func main() {
	version := flag.String("version", "", "`version` of the packages (default: derived from the date of the commit)")
	output := flag.String("output", ".", "`directory` for the packages")
	flag.Parse()
	say, done := terminal.Steps(os.Stderr)
	packages, err := run(*version, *output, say)
	done()
	for _, path := range packages {
		fmt.Println(path)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n", err)
		os.Exit(1)
	}
}

// run builds all packages and returns their paths. It tells say what it is doing.
func run(version, output string, say func(string)) (packages []string, err error) {
	r := release{version: version}
	if err := r.fromCommit(); err != nil {
		return nil, err
	}

	built, err := os.MkdirTemp("", "gntconfd-packages")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(built)
	for _, program := range programs {
		say("compiling " + program)
		if err := r.compile(program, built); err != nil {
			return nil, err
		}
	}
	say("making the manual pages")
	if err := r.manual(built); err != nil {
		return nil, err
	}
	// The daemon's completions are files: it has Ganeti's options, not cobra's.
	for _, program := range programs[1:] {
		for _, shell := range []string{"bash", "zsh", "fish"} {
			script, err := call(filepath.Join(built, program), "completion", shell)
			if err != nil {
				return nil, err
			}
			if err := os.WriteFile(filepath.Join(built, program+"."+shell), []byte(script), 0o644); err != nil {
				return nil, err
			}
		}
	}
	if err := compress(filepath.Join(built, "changelog.gz"), r.changelog()); err != nil {
		return nil, err
	}
	say("collecting licences")
	others, err := licences(built)
	if err != nil {
		return nil, err
	}
	if err := compress(filepath.Join(built, "licences.gz"), others); err != nil {
		return nil, err
	}

	values := map[string]string{"BUILT": built, "VERSION": r.version, "MAINTAINER": r.maintainer, "ARCH": runtime.GOARCH}
	config, err := nfpm.ParseFileWithEnvMapping("packaging/nfpm.yaml", func(name string) string { return values[name] })
	if err != nil {
		return packages, fmt.Errorf("packaging/nfpm.yaml: %w", err)
	}
	// Packages of one commit are identical, whenever they are built.
	config.MTime = r.made
	if err := os.MkdirAll(output, 0o755); err != nil {
		return nil, err
	}
	for _, format := range []string{"deb", "rpm"} {
		say("packing the ." + format)
		path, err := pack(&config, format, output)
		if err != nil {
			return packages, fmt.Errorf("%s: %w", format, err)
		}
		packages = append(packages, path)
	}
	say("writing the conformance suite")
	suite, err := r.suite(built, output)
	if err != nil {
		return packages, err
	}
	return append(packages, suite), nil
}

// suite puts the conformance suite beside the packages, for those who have neither Go nor a
// use for the rest: it is static and has the vectors in it. It returns its path.
func (r *release) suite(built, output string) (string, error) {
	program, err := os.ReadFile(filepath.Join(built, "confd-conformance"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(output, fmt.Sprintf("confd-conformance_%s_%s", r.version, runtime.GOARCH))
	return path, os.WriteFile(path, program, 0o755)
}

// release describes the release to build.
type release struct {
	version    string
	revision   string // the commit
	maintainer string
	made       time.Time
}

// fromCommit fills in missing values from the checked out commit, so that a package does
// not depend on who builds it, or when.
func (r *release) fromCommit() error {
	commit, err := call("git", "show", "-s", "--date=format-local:%Y%m%d%H%M%S", "--format=%ct%n0~%cd.%h%n%an <%ae>%n%H")
	if err != nil {
		return err
	}
	lines := strings.Split(commit, "\n")
	seconds, err := strconv.ParseInt(lines[0], 10, 64)
	if err != nil {
		return fmt.Errorf("time of the commit: %w", err)
	}
	r.made = time.Unix(seconds, 0).UTC()
	if r.version == "" {
		r.version = lines[1]
	}
	r.maintainer, r.revision = lines[2], lines[3]
	return nil
}

// changelog returns the changelog that Debian requires.
func (r *release) changelog() []byte {
	return fmt.Appendf(nil, "gntconfd (%s) unstable; urgency=medium\n\n  * New release.\n\n -- %s  %s\n",
		r.version, r.maintainer, r.made.Format(time.RFC1123Z))
}

// compile builds a program reproducibly, wherever it is built.
func (r *release) compile(program, directory string, flags ...string) error {
	args := append([]string{"CGO_ENABLED=0", "go", "build", "-trimpath",
		"-ldflags=-s -w -X gntconfd/internal/release.version=" + r.version + " -X gntconfd/internal/release.revision=" + r.revision, "-o", directory}, flags...)
	_, err := call("env", append(args, "./cmd/"+program)...)
	return err
}

// manual makes the manual pages, which programs built with the tag man write, in man1 and
// man8 below a directory.
func (r *release) manual(directory string) error {
	writers := filepath.Join(directory, "writers") + "/"
	for program, section := range map[string]string{"ganeti-confd": "man8", "confdctl": "man1", "confd-conformance": "man1"} {
		if err := r.compile(program, writers, "-tags=man"); err != nil {
			return err
		}
		pages := filepath.Join(directory, section)
		if err := os.MkdirAll(pages, 0o755); err != nil {
			return err
		}
		date := fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.made.Unix())
		if _, err := call("env", date, writers+program, pages); err != nil {
			return err
		}
	}
	pages, err := filepath.Glob(filepath.Join(directory, "man?", "*"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := compress(page+".gz", text); err != nil {
			return err
		}
	}
	return nil
}

// pack builds a package in one format and returns its path.
func pack(config *nfpm.Config, format, output string) (string, error) {
	info, err := config.Get(format)
	if err != nil {
		return "", err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	info = nfpm.WithDefaults(info)
	var content bytes.Buffer
	if err := packager.Package(info, &content); err != nil {
		return "", err
	}
	path := filepath.Join(output, packager.ConventionalFileName(info))
	return path, os.WriteFile(path, content.Bytes(), 0o644)
}

// compress compresses a file like Debian compresses documentation: at the best level, and
// without a name or a time.
func compress(path string, content []byte) error {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

// call runs a command and returns its output. What else it says is part of the error.
func call(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, complaint.String())
	}
	return string(out), nil
}
