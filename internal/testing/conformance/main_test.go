package conformance

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
)

// subjectMode turns the test's own program into an implementation under test.
const subjectMode = "CONFD_TEST_SUBJECT"

func TestMain(m *testing.M) {
	if mode := os.Getenv(subjectMode); mode != "" {
		if err := serveSubject(mode, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// serveSubject answers like the daemon, with settings from its environment or, in the mode
// "arguments", from its command line. In the mode "crash" it exits when it is asked for the
// master.
func serveSubject(mode string, args []string) error {
	value := func(i int, name string) string {
		if mode == "arguments" {
			return args[i]
		}
		return os.Getenv(name)
	}
	fmt.Fprintln(os.Stderr, "subject on port", value(2, "CONFD_PORT"))
	if mode == "ends" {
		return fmt.Errorf("no time for %s", value(0, "CONFD_CONFIG"))
	}
	config, err := os.ReadFile(value(0, "CONFD_CONFIG"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(value(1, "CONFD_KEY"))
	if err != nil {
		return err
	}
	snapshot, err := cluster.Parse(config)
	if err != nil {
		return err
	}
	now := time.Now
	if clock, err := strconv.ParseInt(value(3, "CONFD_CLOCK"), 10, 64); err == nil {
		now = func() time.Time { return time.Unix(clock, 0) }
	}
	conn, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.1", value(2, "CONFD_PORT")))
	if err != nil {
		return err
	}
	codec := protocol.NewCodec(protocol.NewKeyring(key))
	book := answer.Prepare(snapshot)
	var scratch answer.Scratch
	buf := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		request, refusal := codec.Open(bytes.Clone(buf[:n]), now())
		if refusal != protocol.Accepted {
			continue
		}
		if mode == "crash" && request.Type == wire.RequestClusterMaster {
			return fmt.Errorf("asked for the master")
		}
		reply, ok := book.Answer(request, &scratch)
		if !ok {
			continue
		}
		sealed, err := codec.Seal(nil, request.Rsalt, reply.Text, reply.Escaped)
		if err != nil {
			return err
		}
		conn.WriteTo(sealed, from)
	}
}
