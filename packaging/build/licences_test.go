package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestAppendLicence(t *testing.T) {
	write := func(directory, name string) {
		if err := os.WriteFile(filepath.Join(directory, name), []byte("text of "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all bytes.Buffer
	none := t.TempDir()
	write(none, "NOTICE")
	if appendLicence(&all, "module", none) == nil {
		t.Error("a notice alone is accepted as a licence")
	}
	all.Reset()
	both := t.TempDir()
	for _, name := range []string{"License.md", "NOTICE", "README", "license.go"} {
		write(both, name)
	}
	want := "== module: License.md\n\ntext of License.md\n\n== module: NOTICE\n\ntext of NOTICE\n\n"
	if err := appendLicence(&all, "module", both); err != nil || all.String() != want {
		t.Errorf("got %q, %v, want %q", all.String(), err, want)
	}
}
