package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gntconfd/client"
	"gntconfd/internal/daemon"
	"gntconfd/internal/sample"
	"gntconfd/internal/sample/serve"
	"gntconfd/internal/udp"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"confdctl": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the scripts of testdata. In them $SERVER is the address of a daemon with
// the sample cluster, $LOCALHOST another name for it, $EMPTY the address of a daemon without a
// configuration, $SILENT one that never answers, $REFUSED one where nobody listens, $ESC the
// escape character, config.data the sample cluster, hmac.key the daemons' key, and
//
//	exits code args...	runs confdctl and compares its exit code
//	mask file		replaces ports, times and round-trip times in stdout, into file
//	serve NAME file		starts a daemon with a configuration, and puts its address into $NAME
//	await file regexp	waits until a file matches
//
// With GANETI_ROOTDIR=$WORK/node confdctl finds the key, and $SERVER instead of the
// master candidates.
//
// With UPDATE_SCRIPTS=1 the expected files are rewritten.
func TestScripts(t *testing.T) {
	silent := silentAddress(t)
	empty := emptyAddress(t)
	refused, err := udp.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	err = serve.Sample(t.Context(), func(c *client.Client) error {
		t.Run("script", func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/script",
				UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup: func(env *testscript.Env) error {
					env.Setenv("SERVER", c.Peers()[0])
					env.Setenv("LOCALHOST", strings.Replace(c.Peers()[0], "127.0.0.1", "localhost", 1))
					env.Setenv("SILENT", silent)
					env.Setenv("EMPTY", empty)
					env.Setenv("REFUSED", refused.String())
					env.Setenv("ESC", "\x1b[31m")
					// The race detector delays the exit of each process by a second.
					env.Setenv("GORACE", "atexit_sleep_ms=0")
					node := filepath.Join(env.WorkDir, "node/var/lib/ganeti")
					return errors.Join(
						os.MkdirAll(node, 0o755),
						os.WriteFile(filepath.Join(env.WorkDir, "hmac.key"), sample.Key, 0o400),
						os.WriteFile(filepath.Join(env.WorkDir, "config.data"), sample.Config, 0o600),
						os.WriteFile(filepath.Join(node, "hmac.key"), sample.Key, 0o400),
						os.WriteFile(filepath.Join(node, "ssconf_master_candidates_ips"), []byte(c.Peers()[0]), 0o400),
					)
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits,
					"mask":  mask,
					"await": awaitFile,
					"serve": func(ts *testscript.TestScript, _ bool, args []string) {
						ts.Setenv(args[0], startDaemon(t, ts.MkAbs(args[1]), ts.MkAbs("hmac.key")))
					},
				},
			})
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// exits runs confdctl like exec, and checks its exit code, which exec cannot.
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
	text = regexp.MustCompile(`(rtt_us"?): *\d+`).ReplaceAllString(text, "$1: 0")
	text = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[\w.:+-]*`).ReplaceAllString(text, "TIME")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// awaitFile waits until a file matches a regular expression.
func awaitFile(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[1])
	text := ""
	for range 3000 {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if text = string(data); err == nil && pattern.MatchString(text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s does not match %q:\n%s", args[0], args[1], text)
}

// emptyAddress returns the address of a daemon with a key but no configuration.
func emptyAddress(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "hmac.key")
	if err := os.WriteFile(key, sample.Key, 0o400); err != nil {
		t.Fatal(err)
	}
	return startDaemon(t, filepath.Join(dir, "config.data"), key)
}

// startDaemon returns the address of a daemon that runs until the test ends.
func startDaemon(t *testing.T, config, key string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	d, err := daemon.Start(ctx, daemon.Options{
		Config: config,
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

// silentAddress returns the address of a socket that nobody reads.
func silentAddress(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}
