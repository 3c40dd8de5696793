package overlay

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The go command takes the changed text, and the file stays as it is.
func TestWrite(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod":     "module example\n",
		"main.go":    "package main\n\nfunc main() { print(word) }\n",
		"a/a.go":     "package a\n",
		"word.go":    "package main\n\nconst word = \"as it was\"\n",
		"a/other.go": "package a\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := Write(t.TempDir(), map[string]string{
		"word.go": "package main\n\nconst word = \"changed\"\n", "a/a.go": "package a\n\nconst A = 1\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ flag, want string }{{"-overlay=" + overlay, "changed"}, {"-overlay=", "as it was"}} {
		out, err := exec.Command("go", "run", test.flag, ".").CombinedOutput()
		if err != nil || string(out) != test.want {
			t.Errorf("%s: %q, %v", test.flag, out, err)
		}
	}
	if _, err := Write("/nowhere", map[string]string{"word.go": ""}); err == nil {
		t.Error("no error about a folder that does not exist")
	}
}
