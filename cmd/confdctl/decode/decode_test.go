package decode

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gntconfd/gen/wire"
	"gntconfd/internal/protocol"
)

var (
	key  = []byte("b4a0f2d1c3e5968778695a4b3c2d1e0f01234567\n")
	sent = time.Unix(1700000000, 0)
)

// request is a signed request.
func request(t *testing.T, key []byte) []byte {
	t.Helper()
	r := wire.Request{Protocol: wire.ProtocolVersion, Type: wire.RequestNodeRoleByName, Rsalt: "salt"}
	r.Query.SetTo(wire.NewStringQuery("node1.example.com"))
	datagram, err := protocol.NewCodec(protocol.NewKeyring(key)).SealRequest(nil, &r, sent)
	if err != nil {
		t.Fatal(err)
	}
	return datagram
}

// sealed is a signed message.
func sealed(t *testing.T, salt, message string) []byte {
	t.Helper()
	datagram, err := protocol.NewCodec(protocol.NewKeyring(key)).Seal(nil, salt, []byte(message), nil)
	if err != nil {
		t.Fatal(err)
	}
	return datagram
}

// TestExamine: each kind of datagram is recognized, and so is the check that it fails.
func TestExamine(t *testing.T) {
	good := request(t, key)
	reply := sealed(t, "salt", `{"protocol":1,"status":0,"answer":0,"serial":77}`)
	for _, test := range []struct {
		name     string
		datagram []byte
		now      time.Time
		key      []byte
		want     finding // without the fields that all have in common
		words    string
	}{
		{"good", good, sent, key, finding{Kind: kindRequest, Signature: signatureOK}, "answers it"},
		{"late", good, sent.Add(301 * time.Second), key, finding{Kind: kindRequest, Signature: signatureOK, Check: "clock"}, "301 s behind"},
		{"early", good, sent.Add(-time.Hour), key, finding{Kind: kindRequest, Signature: signatureOK, Check: "clock"}, "1 h 0 min ahead"},
		{"another key", request(t, []byte("x")), sent, key, finding{Kind: kindRequest, Signature: signatureWrong, Check: "signature"}, "another cluster's key"},
		{"without newline", request(t, bytes.TrimSpace(key)), sent, key, finding{Kind: kindRequest, Signature: signatureNewline, Check: "signature"}, "newline"},
		{"no key", good, sent, nil, finding{Kind: kindRequest, Signature: signatureUnchecked}, "unknown without a key"},
		{"no key and late", good, sent.Add(time.Hour), nil, finding{Kind: kindRequest, Signature: signatureUnchecked, Check: "clock"}, "1 h 0 min behind"},
		{"unknown type", sealed(t, "1700000000", `{"protocol":1,"type":17,"rsalt":"x"}`), sent, key,
			finding{Kind: kindRequest, Signature: signatureOK, Check: "request"}, "17"},
		{"salt", sealed(t, "now", `{"protocol":1,"type":0,"rsalt":"x"}`), sent, key,
			finding{Kind: kindRequest, Signature: signatureOK, Check: "clock"}, "not a number of seconds"},
		{"magic", []byte("plj1{}"), sent, key, finding{Kind: kindUnknown, Signature: signatureNone, Check: "magic"}, `"plj1"`},
		{"envelope", []byte("plj0{"), sent, key, finding{Kind: kindUnknown, Signature: signatureNone, Check: "envelope"}, "no JSON object"},
		{"size", []byte("pl"), sent, key, finding{Kind: kindUnknown, Signature: signatureNone, Check: "size"}, "4 to 61440 bytes"},
		{"long", bytes.Repeat([]byte("plj0"), 15361), sent, key, finding{Kind: kindUnknown, Signature: signatureNone, Check: "size"}, "61440"},
		{"reply", reply, sent.Add(time.Hour), key, finding{Kind: kindReply, Signature: signatureOK}, "takes it"},
		{"forged reply", reply, sent, []byte("x"), finding{Kind: kindReply, Signature: signatureWrong, Check: "signature"}, "not signed"},
		{"reply without key", reply, sent, nil, finding{Kind: kindReply, Signature: signatureUnchecked}, "unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := examiner{key: test.key, keyFile: "hmac.key"}
			got := e.examine(test.datagram, test.now)
			if got.Kind != test.want.Kind || got.Signature != test.want.Signature || got.Check != test.want.Check || !strings.Contains(got.Verdict, test.words) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestForms: a datagram is read in every format.
func TestForms(t *testing.T) {
	datagram := request(t, key)
	plain := hex.EncodeToString(datagram)
	var spaced []string
	for i := 0; i < len(plain); i += 4 {
		spaced = append(spaced, plain[i:min(i+4, len(plain))])
	}
	file := filepath.Join(t.TempDir(), "datagram")
	if err := os.WriteFile(file, datagram, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, arg := range map[string]string{
		"file": file, "hex": plain, "0x": "0x" + strings.ToUpper(plain), "spaced": strings.Join(spaced, " "), "lines": strings.Join(spaced, "\n"),
		"base64": base64.StdEncoding.EncodeToString(datagram), "raw base64": base64.RawStdEncoding.EncodeToString(datagram),
	} {
		t.Run(name, func(t *testing.T) {
			e := examiner{key: key, now: sent}
			if err := e.take(arg, nil); err != nil {
				t.Fatal(err)
			}
			f := e.findings[0]
			if f.Name != "node-role" || string(f.Query) != `"node1.example.com"` || f.Check != "" {
				t.Errorf("got %+v", f)
			}
			if err := e.take("-", strings.NewReader(arg)); err != nil || name != "file" && e.findings[1].Name != "node-role" {
				t.Errorf("standard input: %v, %+v", err, e.findings[1])
			}
		})
	}
	if err := new(examiner).take("neither!", nil); err == nil {
		t.Error("a text that is nothing is taken")
	}
}

// udp returns a UDP packet.
func udp(from, to uint16, data []byte) []byte {
	var p []byte
	p = binary.BigEndian.AppendUint16(p, from)
	p = binary.BigEndian.AppendUint16(p, to)
	p = binary.BigEndian.AppendUint16(p, uint16(8+len(data)))
	return append(append(p, 0, 0), data...)
}

// ipv4 returns an IPv4 packet from 192.0.2.1 to 192.0.2.2.
func ipv4(id, fragment uint16, payload []byte) []byte {
	p := []byte{0x45, 0}
	p = binary.BigEndian.AppendUint16(p, uint16(20+len(payload)))
	p = binary.BigEndian.AppendUint16(p, id)
	p = binary.BigEndian.AppendUint16(p, fragment)
	p = append(p, 64, protocolUDP, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	return append(p, payload...)
}

// ipv6 returns an IPv6 packet from 2001:db8::1 to 2001:db8::2.
func ipv6(next byte, payload []byte) []byte {
	p := []byte{0x60, 0, 0, 0}
	p = binary.BigEndian.AppendUint16(p, uint16(len(payload)))
	p = append(p, next, 64)
	for _, text := range []string{"2001:db8::1", "2001:db8::2"} {
		addr := netip.MustParseAddr(text).As16()
		p = append(p, addr[:]...)
	}
	return append(p, payload...)
}

func ethernet(tags int, packet []byte) []byte {
	frame := make([]byte, 12)
	for range tags {
		frame = append(frame, 0x81, 0, 0, 5)
	}
	return append(append(frame, 8, 0), packet...)
}

func pcap(order binary.AppendByteOrder, magic, link uint32, frames ...[]byte) []byte {
	file := order.AppendUint32(nil, magic)
	file = order.AppendUint32(file, 0x00040002)
	file = append(file, make([]byte, 8)...)
	file = order.AppendUint32(file, 65535)
	file = order.AppendUint32(file, link)
	for _, frame := range frames {
		file = order.AppendUint32(file, uint32(sent.Unix()))
		file = order.AppendUint32(file, 5000)
		file = order.AppendUint32(file, uint32(len(frame)))
		file = order.AppendUint32(file, uint32(len(frame)))
		file = append(file, frame...)
	}
	return file
}

func block(kind uint32, body []byte) []byte {
	for len(body)%4 > 0 {
		body = append(body, 0)
	}
	size := uint32(12 + len(body))
	b := binary.LittleEndian.AppendUint32(nil, kind)
	b = binary.LittleEndian.AppendUint32(b, size)
	return binary.LittleEndian.AppendUint32(append(b, body...), size)
}

func pcapng(frames ...[]byte) []byte {
	file := block(0x0a0d0d0a, append(binary.LittleEndian.AppendUint32(nil, 0x1a2b3c4d), 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255))
	file = append(file, block(1, []byte{1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0})...) // Ethernet, nanoseconds
	for _, frame := range frames {
		ticks := uint64(sent.UnixNano())
		body := binary.LittleEndian.AppendUint32(nil, 0)
		body = binary.LittleEndian.AppendUint32(body, uint32(ticks>>32))
		body = binary.LittleEndian.AppendUint32(body, uint32(ticks))
		body = binary.LittleEndian.AppendUint32(body, uint32(len(frame)))
		body = binary.LittleEndian.AppendUint32(body, uint32(len(frame)))
		file = append(file, block(6, append(body, frame...))...)
	}
	return file
}

// TestCapture: datagrams are found in captures of every format, and fragments are reassembled.
func TestCapture(t *testing.T) {
	datagram := request(t, key)
	whole := udp(40000, 1814, datagram)
	for len(whole)%8 != 0 { // padding after the datagram
		whole = append(whole, 0)
	}
	half := len(whole) / 16 * 8
	fragments := [][]byte{ipv4(7, uint16(half/8), whole[half:]), ipv4(7, 0x2000, whole[:half])}
	six := func(offset int, more uint16, data []byte) []byte {
		head := binary.BigEndian.AppendUint16([]byte{protocolUDP, 0}, uint16(offset)|more)
		return ipv6(44, append(binary.BigEndian.AppendUint32(head, 9), data...))
	}
	le, be := binary.LittleEndian, binary.BigEndian
	for name, file := range map[string][]byte{
		"little":      pcap(le, 0xa1b2c3d4, linkEthernet, ethernet(0, ipv4(1, 0, whole))),
		"big":         pcap(be, 0xa1b2c3d4, linkEthernet, ethernet(0, ipv4(1, 0, whole))),
		"nanoseconds": pcap(le, 0xa1b23c4d, linkEthernet, ethernet(0, ipv4(1, 0, whole))),
		"vlans":       pcap(le, 0xa1b2c3d4, linkEthernet, ethernet(2, ipv4(1, 0, whole))),
		"raw":         pcap(le, 0xa1b2c3d4, linkRaw, ipv4(1, 0x4000, whole)),
		"cooked":      pcap(le, 0xa1b2c3d4, linkCooked, append(make([]byte, 16), ipv4(1, 0, whole)...)),
		"cooked 2":    pcap(le, 0xa1b2c3d4, linkCooked2, append(make([]byte, 20), ipv4(1, 0, whole)...)),
		"fragments":   pcap(le, 0xa1b2c3d4, linkRaw, fragments...),
		"IPv6":        pcap(le, 0xa1b2c3d4, linkRaw, ipv6(protocolUDP, whole)),
		"options":     pcap(le, 0xa1b2c3d4, linkRaw, ipv6(60, append([]byte{protocolUDP, 0, 1, 4, 0, 0, 0, 0}, whole...))),
		"IPv6 parts":  pcap(le, 0xa1b2c3d4, linkRaw, six(half, 0, whole[half:]), six(0, 1, whole[:half])),
		"pcapng":      pcapng(ethernet(0, ipv4(1, 0, whole))),
	} {
		t.Run(name, func(t *testing.T) {
			if !isCapture(file) {
				t.Fatal("not taken for a capture")
			}
			packets, cut, err := capture(file)
			if err != nil || cut != 0 || len(packets) != 1 {
				t.Fatalf("%d packets, %d cut, %v", len(packets), cut, err)
			}
			p := packets[0]
			if !bytes.Equal(p.data, datagram) || p.from.Port() != 40000 || p.to.Port() != 1814 || p.at.Unix() != sent.Unix() {
				t.Errorf("got %+v", p)
			}
		})
	}
	if _, cut, _ := capture(pcap(le, 0xa1b2c3d4, linkRaw, fragments[0])); cut != 1 {
		t.Error("a lost fragment is not counted")
	}
}

// TestBrokenCapture: a broken file causes an error and nothing worse.
func TestBrokenCapture(t *testing.T) {
	whole := udp(40000, 1814, request(t, key))
	for _, file := range [][]byte{
		pcap(binary.LittleEndian, 0xa1b2c3d4, linkEthernet, ethernet(1, ipv4(1, 0x2000, whole)), ethernet(0, ipv6(44, whole))),
		pcapng(ethernet(0, ipv4(1, 0, whole)), ethernet(0, ipv6(60, whole))),
	} {
		for i := range file {
			_, _, _ = capture(file[:i])
			for _, bit := range []byte{1, 0x80, 0xff} {
				broken := bytes.Clone(file)
				broken[i] ^= bit
				if isCapture(broken) {
					_, _, _ = capture(broken)
				}
			}
		}
	}
}

// TestReplyOfRequest: a reply in a capture is matched with its request, and other traffic is
// skipped.
func TestReplyOfRequest(t *testing.T) {
	reply := sealed(t, "salt", `{"protocol":1,"status":0,"answer":0,"serial":77}`)
	file := filepath.Join(t.TempDir(), "confd.pcap")
	content := pcap(binary.LittleEndian, 0xa1b2c3d4, linkRaw, ipv4(1, 0, udp(53, 40000, []byte("other"))),
		ipv4(2, 0, udp(40000, 1814, request(t, key))), ipv4(3, 0, udp(1814, 40000, reply)))
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	e := examiner{key: key, port: 1814, now: time.Now()}
	if err := e.take(file, nil); err != nil {
		t.Fatal(err)
	}
	if len(e.findings) != 2 || e.others != 1 {
		t.Fatalf("%d datagrams, %d others", len(e.findings), e.others)
	}
	if f := e.findings[1]; f.Answers != 1 || f.Name != "node-role" || f.Check != "" || fmt.Sprint(string(f.Answer)) != "0" || f.From != "192.0.2.1:1814" {
		t.Errorf("got %+v", f)
	}
	if f := e.findings[0]; f.Check != "" || *f.ClockOff != 0 {
		t.Errorf("got %+v, as the clock is that of the capture", f)
	}
}
