package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gntconfd/client"
	"gntconfd/internal/daemon"
	"gntconfd/internal/sample"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"confdctl": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the scripts of testdata. In them $SERVER is the address of a
// daemon with the sample cluster, $EMPTY that of one without a configuration, $SILENT
// one where nobody answers, hmac.key the daemons' key, and
//
//	exits code args...	runs confdctl and compares its exit code
//	mask file		replaces ports and round-trip times in stdout, into file
//
// With UPDATE_SCRIPTS=1 the files that the scripts compare with are written anew.
func TestScripts(t *testing.T) {
	silent := silentAddress(t)
	empty := emptyAddress(t)
	err := serveSample(t.Context(), func(c *client.Client) error {
		t.Run("script", func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/script",
				UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup: func(env *testscript.Env) error {
					env.Setenv("SERVER", c.Peers()[0])
					env.Setenv("SILENT", silent)
					env.Setenv("EMPTY", empty)
					// The race detector lets each process wait a second at its end.
					env.Setenv("GORACE", "atexit_sleep_ms=0")
					return os.WriteFile(filepath.Join(env.WorkDir, "hmac.key"), sample.Key, 0o400)
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits,
					"mask":  mask,
				},
			})
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// exits runs confdctl, as exec does, and compares its exit code, which exec does
// not show.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("sh", append([]string{"-c", `code=$0; confdctl "$@"; test $? = $code`}, args...)...)
	if err != nil {
		ts.Fatalf("confdctl %v does not exit with %s", args[1:], args[0])
	}
}

// mask makes the output of the demonstration the same in every run.
func mask(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile("stdout")
	text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "127.0.0.1:PORT")
	text = regexp.MustCompile(` +(ok|error), serial (\d+), [\d.]+ ms`).ReplaceAllString(text, "  $1, serial $2, TIME")
	text = regexp.MustCompile(`round trip [\d.]+ ms`).ReplaceAllString(text, "round trip TIME")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// emptyAddress returns the address of a daemon that has a key and nothing else.
func emptyAddress(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "hmac.key")
	if err := os.WriteFile(key, sample.Key, 0o400); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	d, err := daemon.Start(ctx, daemon.Options{
		Config: filepath.Join(dir, "config.data"),
		Key:    key,
		Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := d.Wait(); err != nil {
			t.Error(err)
		}
	})
	return d.Addr().String()
}

// silentAddress returns the address of a socket that is never read from.
func silentAddress(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}
