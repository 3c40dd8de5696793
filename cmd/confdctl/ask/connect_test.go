package ask

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"gntconfd/client"
	"gntconfd/internal/advice"
	"gntconfd/internal/sample"
	"gntconfd/internal/sample/serve"
	"gntconfd/internal/udp"
)

// TestUnreadableKey: who may not read the key is told who may.
func TestUnreadableKey(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "hmac.key")
	if err := os.WriteFile(path, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	var key []byte
	var err error
	if os.Getuid() == 0 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // and never unlocked, so that the thread ends
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0); errno != 0 {
				t.Error(errno)
			}
			key, err = (&Connection{KeyFile: path}).Key()
		}()
		<-done
	} else {
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		key, err = (&Connection{KeyFile: path}).Key()
	}
	var advised *advice.Error
	if key != nil || !errors.Is(err, fs.ErrPermission) || !errors.As(err, &advised) {
		t.Fatalf("got %q, %v", key, err)
	}
	for _, part := range []string{"Root and Ganeti's daemons can read it", "Its mode is -", "of user ", "and group ", "and you are "} {
		if !strings.Contains(advised.Advice, part) {
			t.Errorf("%q lacks %q", advised.Advice, part)
		}
	}
}

// TestNamedServers: who is named is asked, and not the candidates that it knows of.
func TestNamedServers(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "hmac.key")
	if err := os.WriteFile(keyFile, sample.Key, 0o400); err != nil {
		t.Fatal(err)
	}
	err := serve.Sample(t.Context(), func(served *client.Client) error {
		conn := Connection{servers: served.Peers(), KeyFile: keyFile, Timeout: time.Minute, Follow: time.Millisecond}
		c, err := conn.Client()
		if err != nil {
			return err
		}
		defer c.Close()
		for range 200 {
			if _, err := client.Query(t.Context(), c, client.Ping()); err != nil {
				return err
			}
		}
		if got := c.Peers(); !slices.Equal(got, conn.servers) {
			t.Errorf("asks %v, not %v", got, conn.servers)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestGiveUp: that nobody listens is said at once, unless --timeout says how long to go
// on, as a check always does.
func TestGiveUp(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "hmac.key")
	if err := os.WriteFile(keyFile, sample.Key, 0o400); err != nil {
		t.Fatal(err)
	}
	refused, err := udp.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		local   bool
		args    []string
		timeout time.Duration
		goesOn  bool
	}{
		"at once": {false, nil, time.Minute, false},
		"told":    {false, []string{"--timeout", "1s"}, time.Second, true},
		"check":   {true, nil, time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			conn := Connection{local: test.local}
			command := &cobra.Command{}
			conn.AddFlags(command)
			if err := command.ParseFlags(append(test.args, "--server", refused.String(), "--key-file", keyFile)); err != nil {
				t.Fatal(err)
			}
			conn.Timeout = test.timeout
			c, err := conn.Client()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx, cancel := conn.Patience(t.Context())
			defer cancel()
			_, err = client.Query(ctx, c, client.Ping())
			if !errors.Is(err, client.ErrNoReply) || errors.Is(err, context.DeadlineExceeded) != test.goesOn {
				t.Errorf("got %v", err)
			}
		})
	}
}
