package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// InheritedSocket returns the one socket that a service manager has opened for this
// process, or nil.
func InheritedSocket() (*os.File, error) {
	files := activation.Files(true)
	switch len(files) {
	case 0:
		return nil, nil
	case 1:
		return files[0], nil
	}
	for _, file := range files {
		file.Close()
	}
	return nil, fmt.Errorf("the service manager passes %d sockets: the socket unit must have exactly one ListenDatagram", len(files))
}

// The service manager, if one listens, is told the state of the process. Failures do not
// matter to the process: the manager notices what is missing. A manager that does not read
// delays the process only for the patience given to the message.
const (
	statePatience = time.Second            // for messages that are sent once
	newsPatience  = 100 * time.Millisecond // for messages that are repeated
)

// notify sends a message to the service manager within patience, or gives up.
func notify(message string, patience time.Duration) {
	addr := &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"}
	if addr.Name == "" {
		return
	}
	conn, err := net.DialUnix(addr.Net, nil, addr)
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.SetWriteDeadline(time.Now().Add(patience)) == nil {
		_, _ = conn.Write([]byte(message))
	}
}

// NotifyReady reports that the process has started, or has reloaded its configuration.
func NotifyReady() { notify(daemon.SdNotifyReady, statePatience) }

// NotifyReloading reports that the process begins to reload; NotifyReady ends that.
func NotifyReloading() {
	notify(daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec(), statePatience)
}

// NotifyStopping reports that the process begins to stop.
func NotifyStopping() { notify(daemon.SdNotifyStopping, statePatience) }

// NotifyStatus sets the line for operators about what the process is doing.
func NotifyStatus(line string) {
	notify("STATUS="+strings.ReplaceAll(line, "\n", " "), newsPatience)
}

// FeedWatchdog pings the service manager's watchdog at half the interval that it expects,
// as long as stuck returns less than that interval: how long the process has made no
// progress. It returns when ctx ends, and at once if there is no watchdog. The error is
// about the manager's settings.
func FeedWatchdog(ctx context.Context, stuck func() time.Duration) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if interval == 0 || err != nil {
		return err
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		if stuck() < interval {
			notify(daemon.SdNotifyWatchdog, newsPatience)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
