package bench

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
	"gntconfd/internal/udp"
)

// makeNoise sends rate datagrams a second that no daemon may answer, each of what makeKinds
// returns in turn, until ctx ends.
func makeNoise(ctx context.Context, server netip.AddrPort, rate float64, makeKinds func() ([][]byte, error)) error {
	if rate <= 0 {
		return nil
	}
	kinds, err := makeKinds()
	if err != nil {
		return err
	}
	conn, err := udp.Dial(server)
	if err != nil {
		return err
	}
	defer conn.Close()
	batch, err := udp.NewBatch()
	if err != nil {
		return err
	}
	defer batch.Free()
	defer lockThread()()
	begin := time.Now()
	for sent := 0; ctx.Err() == nil; {
		due := int(time.Since(begin).Seconds() * rate)
		if due-sent > int(rate*maxLag.Seconds()) {
			sent = due // as much as the machine gives
		}
		for sent <= due && batch.Add(kinds[sent%len(kinds)]) {
			sent++
		}
		_ = conn.Write(batch)
		if sent > due {
			conn.Wait(time.Duration(float64(time.Second) / rate))
		}
	}
	return nil
}

// broken returns one datagram of each kind that a daemon drops: without magic, cut
// off, not JSON, forged with another key, and forged with much to verify.
func broken() ([][]byte, error) {
	forger := protocol.NewCodec(protocol.NewKeyring([]byte("not the key of any cluster\n")))
	seal := func(query string) ([]byte, error) {
		return forger.SealRequest(nil, &wire.Request{
			Protocol: wire.ProtocolVersion,
			Type:     wire.RequestNodeRoleByName,
			Rsalt:    "forged",
			Query:    wire.NewOptQuery(wire.NewStringQuery(query)),
		}, time.Now())
	}
	forged, err := seal("node1.example.org")
	if err != nil {
		return nil, err
	}
	long, err := seal(strings.Repeat("node", 300))
	if err != nil {
		return nil, err
	}
	return [][]byte{
		[]byte("hello"),
		forged[:len(forged)/2],
		[]byte(wire.Magic + strings.Repeat("[", 200)),
		forged,
		long,
	}, nil
}

// Hostile returns datagrams of strangers that are meant to cost a daemon as much as can
// be: brackets that do not end, long names, characters and escapes at random. They are
// unsigned, or as good as.
func Hostile() [][]byte {
	const size = wire.MaxDatagramSize
	random := rand.New(rand.NewPCG(1, 2))
	var mixed strings.Builder
	mixed.WriteString(`{"msg":"`)
	for pieces := []string{`\n`, `a`, `é`}; mixed.Len() < size-200; {
		mixed.WriteString(pieces[random.IntN(len(pieces))])
	}
	mixed.WriteString(`","salt":"1700000000","hmac":"` + strings.Repeat("0", 40) + `"}`)
	var all [][]byte
	for _, body := range []string{
		`{"x":` + strings.Repeat("[", 9_998),
		strings.Repeat(`{"":[`, 2_000),
		`{"` + strings.Repeat("\x7f", 50_000) + `":[}`,
		`{"msg":"","salt":"1","hmac":""}` + strings.Repeat("[", 9_998),
		`{` + strings.Repeat(`"a":0,`, 10_000) + `"b"}`,
		mixed.String(),
	} {
		all = append(all, []byte(wire.Magic+body))
	}
	return all
}
