package lacking

import "testing"

// recorder records how a test ended.
type recorder struct {
	testing.TB
	skipped, failed bool
}

func (*recorder) Helper()                 {}
func (r *recorder) Fatalf(string, ...any) { r.failed = true; panic(r) }
func (r *recorder) Skipf(string, ...any)  { r.skipped = true; panic(r) }

func TestSkip(t *testing.T) {
	for setting, fails := range map[string]bool{"": false, "require": true} {
		t.Setenv("CONFD_INTEROP", setting)
		var r recorder
		func() {
			defer func() { recover() }()
			Skip(&r, "no %s", "browser")
		}()
		if r.failed != fails || r.skipped == fails {
			t.Errorf("with %q: failed %v, skipped %v", setting, r.failed, r.skipped)
		}
	}
}
