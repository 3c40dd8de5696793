package ports

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// python returns the command that starts Python with the library from a folder or a wheel. It
// skips the test if Python is missing or too old.
func python(t *testing.T, library string) []string {
	t.Helper()
	need(t, "python3", "python3")
	if err := exec.Command("python3", "-c", "import sys; sys.exit(sys.version_info < (3, 11))").Run(); err != nil {
		lack(t, "Python 3.11", "python3")
	}
	return []string{"env", "PYTHONPATH=" + absolute(t, library), "PYTHONDONTWRITEBYTECODE=1", "python3"}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPythonVectors(t *testing.T) {
	t.Parallel()
	run(t, ".", append(python(t, "python/src"), "-m", "unittest", "discover", "-s", "python/tests")...)
}

func TestPythonScenarios(t *testing.T) {
	t.Parallel()
	scenarios(t, append(python(t, "python/src"), "python/tests/adapter.py")...)
}

func TestPythonScenariosAsyncio(t *testing.T) {
	t.Parallel()
	scenarios(t, append(python(t, "python/src"), "python/tests/adapter.py", "asyncio")...)
}

func TestPythonExample(t *testing.T) {
	t.Parallel()
	drbd(t, append(python(t, "python/src"), "python/examples/drbd.py")...)
}

func TestPythonReaders(t *testing.T) {
	t.Parallel()
	readers(t, append(python(t, "python/src"), "python/tests/readers.py")...)
}

func TestPythonTypes(t *testing.T) {
	t.Parallel()
	need(t, "mypy", "mypy")
	run(t, ".", append([]string{"env", "MYPYPATH=python/src", "mypy", "--strict", "--cache-dir", t.TempDir(), "python/src/gntconfd"},
		glob(t, "python/*/*.py")...)...)
}

// TestPythonWheel builds the wheel, and asks using only the wheel.
func TestPythonWheel(t *testing.T) {
	t.Parallel()
	const debian = "/usr/bin/python3" // finds what Debian's packages install
	if err := exec.Command(debian, "-c", "import build, setuptools, wheel").Run(); err != nil {
		lack(t, "Python's build", "python3-build python3-setuptools python3-wheel")
	}
	folder := copied(t, "python")
	run(t, folder, debian, "-m", "build", "--wheel", "--no-isolation")
	live(t, append(python(t, glob(t, filepath.Join(folder, "dist", "*.whl"))[0]), "python/tests/live.py")...)
}

// glob returns the files that match a pattern, at least one.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || files == nil {
		t.Fatalf("%s: %q, %v", pattern, files, err)
	}
	return files
}
