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

// InheritedSocket returns the one socket that a service manager has opened for
// this process, nil for none.
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
	return nil, fmt.Errorf("the service manager hands over %d sockets: have one ListenDatagram in the socket unit", len(files))
}

// The service manager, if there is one that listens, is told how the process is
// doing. That it cannot be told is of no consequence to the process: the manager
// notices what it misses. One that does not read what it is sent holds the process up
// for as long as the message is worth, and no longer.
const (
	statePatience = time.Second            // of what is told once
	newsPatience  = 100 * time.Millisecond // of what is told again and again
)

// notify sends a message to the service manager within patience, or not at all.
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

// NotifyReady tells that the process has started, or reloaded its configuration.
func NotifyReady() { notify(daemon.SdNotifyReady, statePatience) }

// NotifyReloading tells that the process begins to reload; NotifyReady ends that.
func NotifyReloading() {
	notify(daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec(), statePatience)
}

// NotifyStopping tells that the process begins to stop.
func NotifyStopping() { notify(daemon.SdNotifyStopping, statePatience) }

// NotifyStatus gives a line for an operator on what the process does.
func NotifyStatus(line string) {
	notify("STATUS="+strings.ReplaceAll(line, "\n", " "), newsPatience)
}

// FeedWatchdog tells that the process is well, at half the interval in which the
// service manager wants to hear it, as long as stuck returns less than that
// interval: for how long the process has made no headway with its work. It returns
// when ctx ends, and at once where nobody wants to know. The error is that of the
// manager's settings.
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
