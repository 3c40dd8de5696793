package ports

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// startPython ends the test unless there is a Python that is new enough.
func startPython(t *testing.T) {
	need(t, "python3", "python3")
	if err := exec.Command("python3", "-c", "import sys; sys.exit(sys.version_info < (3, 11))").Run(); err != nil {
		lack(t, "Python 3.11", "python3")
	}
	t.Setenv("PYTHONPATH", absolute(t, "python/src"))
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
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
	startPython(t)
	run(t, ".", "python3", "-m", "unittest", "discover", "-s", "python/tests")
}

func TestPythonScenarios(t *testing.T) {
	startPython(t)
	t.Run("blocking", func(t *testing.T) { scenarios(t, "python3", "python/tests/adapter.py") })
	t.Run("asyncio", func(t *testing.T) { scenarios(t, "python3", "python/tests/adapter.py", "asyncio") })
}

func TestPythonLive(t *testing.T) {
	startPython(t)
	live(t, "python3", "python/tests/live.py")
}

func TestPythonTypes(t *testing.T) {
	startPython(t)
	need(t, "mypy", "mypy")
	run(t, ".", "mypy", "--strict", "--cache-dir", t.TempDir(), "python/src", "python/examples/drbd.py",
		"python/tests/adapter.py", "python/tests/live.py", "python/tests/test_vectors.py")
}

// TestPythonWheel builds the wheel, and asks with nothing but what is in it.
func TestPythonWheel(t *testing.T) {
	startPython(t)
	const debian = "/usr/bin/python3" // has what Debian's packages install
	if err := exec.Command(debian, "-c", "import build, setuptools, wheel").Run(); err != nil {
		lack(t, "Python's build", "python3-build python3-setuptools python3-wheel")
	}
	folder := copied(t, "python")
	run(t, folder, debian, "-m", "build", "--wheel", "--no-isolation")
	wheels, err := filepath.Glob(filepath.Join(folder, "dist", "*.whl"))
	if err != nil || len(wheels) != 1 {
		t.Fatalf("wheels %q, %v", wheels, err)
	}
	t.Setenv("PYTHONPATH", wheels[0])
	live(t, "python3", absolute(t, "python/tests/live.py"))
}
