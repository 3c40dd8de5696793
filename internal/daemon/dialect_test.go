package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
	"gntconfd/internal/reload"
	"gntconfd/internal/sample"
	"gntconfd/internal/server"
)

// pinger pings a server whose dialect a speaker sets.
type pinger struct {
	server *server.Server
	codec  *protocol.Codec
	conn   net.Conn
}

func newPinger(t *testing.T) *pinger {
	t.Helper()
	keys := protocol.NewKeyring(sample.Key)
	s, err := server.Listen(server.Options{
		Addr:   netip.MustParseAddrPort("127.0.0.1:0"),
		Keys:   keys,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	conn, err := net.Dial("udp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		cancel()
		<-done
	})
	return &pinger{s, protocol.NewCodec(keys), conn}
}

// ping returns the answer to a ping, or "silence" if there is none.
func (p *pinger) ping(t *testing.T) string {
	t.Helper()
	dropped := p.server.Counts().Dispositions[server.DroppedDisabled]
	datagram, err := p.codec.SealRequest(nil, &wire.Request{Protocol: 1, Rsalt: "rs"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.conn.Write(datagram); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, wire.MaxDatagramSize)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		p.conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		if n, err := p.conn.Read(buffer); err == nil {
			reply, _, err := p.codec.OpenReply(buffer[:n])
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%d %s", reply.Status, reply.Answer)
		}
		if p.server.Counts().Dispositions[server.DroppedDisabled] > dropped {
			return "silence"
		}
	}
	t.Fatal("neither an answer nor a dropped datagram")
	return ""
}

func TestDialect(t *testing.T) {
	load := func(version string) reload.State {
		config := strings.Replace(string(sample.Config), `"version": 3000000`, `"version": `+version, 1)
		snapshot, err := cluster.Parse([]byte(config))
		if err != nil {
			t.Fatal(err)
		}
		return reload.State{Snapshot: snapshot}
	}
	old, last26, first27, present := load("2010000"), load("2069999"), load("2070000"), load("3000000")
	none := reload.State{Problem: "none"}
	for _, test := range []struct {
		dialect Dialect
		states  []reload.State // one after the other
		want    string
	}{
		{DialectAuto, []reload.State{none}, `1 "none"`},
		{DialectAuto, []reload.State{present}, `0 3000000`},
		{DialectAuto, []reload.State{first27}, `0 2070000`},
		{DialectAuto, []reload.State{last26}, `0 "ok"`},
		{DialectAuto, []reload.State{old}, `0 "ok"`},
		{DialectAuto, []reload.State{old, present}, `0 3000000`},
		{DialectAuto, []reload.State{old, none}, `silence`},
		{DialectAuto, []reload.State{old, present, none}, `1 "none"`},
		{Dialect26, []reload.State{none}, `silence`},
		{Dialect26, []reload.State{present}, `0 "ok"`},
		{Dialect30, []reload.State{old}, `0 2010000`},
		{Dialect30, []reload.State{old, none}, `1 "none"`},
	} {
		p := newPinger(t)
		speaker := newSpeaker(p.server, test.dialect, slog.New(slog.DiscardHandler))
		for _, state := range test.states {
			speaker.setState(state)
		}
		if got := p.ping(t); got != test.want {
			t.Errorf("%s after %d states: %s, want %s", test.dialect, len(test.states), got, test.want)
		}
	}
}

func TestStartRefusesUnknownDialects(t *testing.T) {
	_, err := Start(t.Context(), Options{Dialect: "2.7", Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), `"2.7"`) {
		t.Errorf("error %v", err)
	}
}
