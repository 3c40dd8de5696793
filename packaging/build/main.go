// Command build makes the packages, in one go: the programs for this machine's
// architecture, what goes with them, and of these what packaging/nfpm.yaml describes.
// It is run in the project's root.
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
)

// programs are the commands below cmd/ that are packaged.
var programs = []string{"ganeti-confd", "confdctl", "confd-conformance"}

func main() {
	version := flag.String("version", "", "`version` of the packages (default: one that grows with the date of the commit)")
	output := flag.String("output", ".", "`directory` to put the packages in")
	flag.Parse()
	if err := run(*version, *output); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n", err)
		os.Exit(1)
	}
}

// run makes all packages and prints their names.
func run(version, output string) error {
	commit, err := call("git", "show", "-s", "--date=format-local:%Y%m%d%H%M%S", "--format=%ct 0~%cd.%h")
	if err != nil {
		return err
	}
	seconds, snapshot, _ := strings.Cut(strings.TrimSpace(commit), " ")
	if version == "" {
		version = snapshot
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("time of the commit: %w", err)
	}
	made := time.Unix(unix, 0).UTC()

	built, err := os.MkdirTemp("", "gntconfd-packages")
	if err != nil {
		return err
	}
	defer os.RemoveAll(built)
	for _, program := range programs {
		if err := compile(program, version, built); err != nil {
			return err
		}
	}
	if err := writeChangelog(filepath.Join(built, "changelog.gz"), version, made); err != nil {
		return err
	}

	values := map[string]string{"BUILT": built, "VERSION": version, "ARCH": runtime.GOARCH}
	config, err := nfpm.ParseFileWithEnvMapping("packaging/nfpm.yaml", func(name string) string { return values[name] })
	if err != nil {
		return fmt.Errorf("packaging/nfpm.yaml: %w", err)
	}
	// Packages of one commit are the same, whenever they are made.
	config.MTime = made
	if err := os.MkdirAll(output, 0o755); err != nil {
		return err
	}
	for _, format := range []string{"deb"} {
		path, err := pack(&config, format, output)
		if err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
		fmt.Println(path)
	}
	return nil
}

// compile builds a program without anything that depends on where that is done.
func compile(program, version, directory string) error {
	_, err := call("env", "CGO_ENABLED=0", "go", "build", "-trimpath",
		"-ldflags=-s -w -X gntconfd/internal/release.version="+version, "-o", directory, "./cmd/"+program)
	return err
}

// pack makes a package of one format and returns its path.
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

// writeChangelog writes the changelog that Debian asks for.
func writeChangelog(path, version string, made time.Time) error {
	text := fmt.Sprintf("gntconfd (%s) unstable; urgency=medium\n\n  * New release.\n\n -- the gntconfd authors <gntconfd@localhost>  %s\n",
		version, made.Format(time.RFC1123Z))
	return compress(path, []byte(text))
}

// compress writes a file as Debian compresses documentation: well, and without a
// name or a time.
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

// call runs a command and returns what it prints.
func call(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%v: %w", cmd, err)
	}
	return string(out), nil
}
