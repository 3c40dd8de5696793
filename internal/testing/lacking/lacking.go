// Package lacking ends tests if the machine lacks something that they need, such as Ganeti or a
// browser.
package lacking

import (
	"os"
	"testing"
)

// Skip skips a test with a reason, or fails it with CONFD_INTEROP=require.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CONFD_INTEROP") == "require" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
