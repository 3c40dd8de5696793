package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/demonstrate"
	"gntconfd/gen/wire"
	"gntconfd/internal/sample"
	"gntconfd/internal/sample/serve"
	"gntconfd/internal/testing/lacking"
)

// relay forwards datagrams between a client and a daemon, and records them.
type relay struct {
	conn    *net.UDPConn
	packets [][]byte // IPv4 packets
}

// run forwards requests and replies in turn, until the connection is closed.
func (r *relay) run(daemon string) error {
	behind, err := net.Dial("udp", daemon)
	if err != nil {
		return err
	}
	defer behind.Close()
	buffer := make([]byte, wire.MaxDatagramSize)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return nil // closed
		}
		r.record(40000, wire.DefaultPort, buffer[:n])
		if _, err = behind.Write(buffer[:n]); err != nil {
			return err
		}
		if n, err = behind.Read(buffer); err != nil {
			return err
		}
		r.record(wire.DefaultPort, 40000, buffer[:n])
		if _, err = r.conn.WriteToUDPAddrPort(buffer[:n], from); err != nil {
			return err
		}
	}
}

// record adds a datagram as a packet.
func (r *relay) record(from, to uint16, datagram []byte) {
	p := []byte{0x45, 0}
	p = binary.BigEndian.AppendUint16(p, uint16(28+len(datagram)))
	p = append(p, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	p = binary.BigEndian.AppendUint16(p, from)
	p = binary.BigEndian.AppendUint16(p, to)
	p = binary.BigEndian.AppendUint16(p, uint16(8+len(datagram)))
	r.packets = append(r.packets, append(append(p, 0, 0), datagram...))
}

// capture returns the packets as a capture file.
func (r *relay) capture() []byte {
	order := binary.LittleEndian
	file := order.AppendUint32(nil, 0xa1b2c3d4)
	file = order.AppendUint32(file, 0x00040002)
	file = append(file, make([]byte, 8)...)
	file = order.AppendUint32(file, 65535)
	file = order.AppendUint32(file, 101)
	for _, p := range r.packets {
		file = append(file, make([]byte, 8)...)
		file = order.AppendUint32(file, uint32(len(p)))
		file = order.AppendUint32(file, uint32(len(p)))
		file = append(file, p...)
	}
	return file
}

// dissect runs tshark with the dissector on packets, and returns its output.
func dissect(t *testing.T, r *relay, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		lacking.Skip(t, "tshark is not installed here: %v", err)
	}
	dir := t.TempDir()
	file, script := filepath.Join(dir, "confd.pcap"), filepath.Join(dir, "confd.lua")
	if err := os.WriteFile(file, r.capture(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(script); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, append([]string{"-X", "lua_script:" + script, "-r", file, "-2"}, args...)...)
	command.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8")
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil || strings.Contains(stderr.String(), "Lua") || strings.Contains(string(out), "Lua Error") {
		t.Fatalf("%v\n%s\n%s", err, &stderr, out)
	}
	return string(out)
}

// TestDemonstration: Wireshark shows every question and answer of the demonstration.
func TestDemonstration(t *testing.T) {
	var (
		r    relay
		want []string
	)
	err := serve.Sample(t.Context(), func(c *client.Client) (err error) {
		if r.conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			return err
		}
		relayed := make(chan error, 1)
		go func() { relayed <- r.run(c.Peers()[0]) }()
		through, err := client.New(client.Options{Peers: []string{r.conn.LocalAddr().String()}, Key: sample.Key})
		if err != nil {
			return err
		}
		defer through.Close()
		entries, err := demonstrate.Document(t.Context(), through)
		for _, e := range entries {
			want = append(want, fmt.Sprintf("%d %d", e.Request.Type, e.Reply.Status))
		}
		r.conn.Close()
		if failed := <-relayed; err == nil {
			err = failed
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fields := []string{"confd.type", "confd.query", "confd.rsalt", "confd.status", "confd.answer", "confd.salt", "confd.reply_in", "confd.reply_to"}
	args := []string{"-T", "fields", "-E", "separator=|"}
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	out := dissect(t, &r, args...)
	var asked []string // reply salts, in the order of the questions
	types, statuses := make(map[string]string), make(map[string]string)
	for line := range strings.Lines(out) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(row) < len(fields) {
			t.Fatalf("%q", line)
		}
		switch salt := row[2]; {
		case salt == "":
			statuses[row[5]] = row[3]
			if row[7] == "" {
				t.Errorf("a reply leads to no request: %s", line)
			}
		case !slices.Contains(asked, salt): // otherwise it was resent
			asked = append(asked, salt)
			types[salt] = row[0]
			if row[6] == "" {
				t.Errorf("a request leads to no reply: %s", line)
			}
		}
	}
	var got []string
	for _, salt := range asked {
		got = append(got, types[salt]+" "+statuses[salt])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types and statuses (-want +got):\n%s", diff)
	}
	for _, text := range []string{"|node1.example.org|", "|/cluster/cluster_name|", `{"1":"203.0.113.25"}`, "|0|node1.example.org|"} {
		if !strings.Contains(out, text) && !strings.Contains(strings.ReplaceAll(out, " ", ""), text) {
			t.Errorf("lacks %s:\n%s", text, out)
		}
	}
}

// TestBrokenDatagrams: broken messages are shown as malformed, and other traffic is ignored.
func TestBrokenDatagrams(t *testing.T) {
	var r relay
	broken := []string{
		"plj0", "plj0{", `plj0{"msg":"`, `plj0{"msg":"{\"type\":"}`, `plj0{"msg":"{\"type\":1","salt":"x","hmac":""}`,
		`plj0{"msg":{},"salt":[1,"]",{"a":"}"}]}`, `plj0[1]`, `plj0{"msg":"\\\\\\`, `plj0{"msg":"{}","salt":"","hmac":""}`, "plj0\x00\xff",
	}
	for _, text := range broken {
		r.record(40000, wire.DefaultPort, []byte(text))
	}
	r.record(40000, 40001, []byte("other traffic"))
	r.record(40000, 40001, []byte(`plj0{"msg":"{\"protocol\":1,\"type\":1,\"query\":\"a\\\"\\u00e9\\\\n\",\"rsalt\":\"x\"}","salt":"1700000000","hmac":""}`))
	out := dissect(t, &r, "-T", "fields", "-E", "separator=|", "-e", "_ws.col.Protocol", "-e", "_ws.col.Info", "-e", "confd.query")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(broken)+2 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	for i, line := range lines[:len(broken)] {
		if !strings.HasPrefix(line, "confd|malformed") {
			t.Errorf("%q: %s", broken[i], line)
		}
	}
	if line := lines[len(broken)]; strings.HasPrefix(line, "confd") {
		t.Errorf("other traffic: %s", line)
	}
	if line := lines[len(broken)+1]; !strings.HasPrefix(line, "confd|request, node-role") || !strings.HasSuffix(line, `|a"é\n`) {
		t.Errorf("a request at another port: %s", line)
	}
}
