package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gntconfd/internal/testing/conformance"
	"gntconfd/spec/vectors"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"confd-conformance": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the scripts of testdata. In them $SERVER is the address of a
// daemon that serves the configuration "orders", and
//
//	exits code args...	runs confd-conformance and compares its exit code
func TestScripts(t *testing.T) {
	config, err := vectors.Files.ReadFile("configs/orders.json")
	if err != nil {
		t.Fatal(err)
	}
	key, err := vectors.Files.ReadFile("hmac.key")
	if err != nil {
		t.Fatal(err)
	}
	server, err := conformance.Own(t.Context(), conformance.Setup{Config: config, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("script", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata/script",
			UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("SERVER", server.Target.Addr.String())
				// The race detector delays the exit of each process by a second.
				env.Setenv("GORACE", "atexit_sleep_ms=0")
				return os.WriteFile(env.WorkDir+"/hmac.key", key, 0o600)
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		})
	})
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// exits runs confd-conformance like exec, and checks its exit code, which exec cannot.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("sh", append([]string{"-c", `code=$0; confd-conformance "$@"; test $? = $code`}, args...)...)
	if err != nil {
		ts.Fatalf("confd-conformance %v does not exit with %s", args[1:], args[0])
	}
}
