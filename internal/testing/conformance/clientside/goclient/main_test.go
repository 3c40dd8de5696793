package main

import (
	"os"
	"strings"
	"testing"

	"gntconfd/internal/testing/conformance"
	"gntconfd/internal/testing/conformance/clientside"
	"gntconfd/spec/vectors"
)

// clientVariable, in the environment of the test's own program, turns it into goclient.
const clientVariable = "CONFD_TEST_GOCLIENT"

func TestMain(m *testing.M) {
	if _, ok := os.LookupEnv(clientVariable); ok {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestLibrary runs this project's client library through all scenarios.
func TestLibrary(t *testing.T) {
	report, err := clientside.Run(t.Context(), clientside.Options{
		Command: []string{"env", clientVariable + "=", os.Args[0]},
		Files:   vectors.Files,
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed() {
		var text strings.Builder
		if err := report.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		t.Error(text.String())
	}
	for _, result := range report.Results {
		// The host may lack IPv6, although the library supports it.
		if result.Verdict == conformance.Skipped && result.ID != "request/ipv6" {
			t.Errorf("%s: %s", result.ID, result.Verdict)
		}
	}
}
