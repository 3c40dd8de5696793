package fuzz

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
	"gntconfd/internal/protocol"
)

// loadAndAsk loads a configuration from arbitrary bytes, and asks all questions about the
// result.
func loadAndAsk(t rapid.TB, data []byte) {
	snapshot, err := cluster.Parse(slices.Clone(data))
	if (snapshot == nil) == (err == nil) {
		t.Fatalf("snapshot %v with error %v", snapshot, err)
	}
	if err != nil {
		return
	}
	book := answer.Prepare(snapshot)
	codec, scratch := newCodec(secret), new(answer.Scratch)
	queries := []wire.Query{
		{Type: wire.NullQuery},
		{Type: wire.QueryParametersQuery},
		{Type: wire.QueryParametersQuery, QueryParameters: wire.QueryParameters{IPList: wire.NewOptNilStringArray(ips)}},
	}
	for _, text := range []string{"", "a", "u0", "u1", "/", "/cluster", "/nodes/u0", "/instances", "/instances/u1/nics/0", "/cluster/tags/0/x", "~", snapshot.MasterNode} {
		queries = append(queries, wire.NewStringQuery(text))
	}
	for _, request := range wire.RequestType(0).AllValues() {
		for _, query := range queries {
			r := &wire.Request{Protocol: 1, Type: request, Rsalt: "s", Query: wire.NewOptQuery(query)}
			checkReply(t, codec, book, r, scratch)
		}
	}
}

// checkReply answers a request and checks what is true for all replies.
func checkReply(t rapid.TB, codec *protocol.Codec, book *answer.Book, request *wire.Request, scratch *answer.Scratch) (reply, bool) {
	answered, ok := book.Answer(request, scratch)
	if !ok {
		return reply{}, false
	}
	datagram, err := codec.Seal(nil, request.Rsalt, answered.Text, answered.Escaped)
	if err != nil {
		answered = book.TooLarge()
		if datagram, err = codec.Seal(nil, request.Rsalt, answered.Text, answered.Escaped); err != nil {
			// Only a salt that is itself too large leaves no room.
			if len(request.Rsalt) < wire.MaxDatagramSize/8 {
				t.Fatal(err)
			}
			return reply{}, false
		}
	}
	if len(datagram) > wire.MaxDatagramSize {
		t.Fatalf("a reply of %d bytes", len(datagram))
	}
	msg, salt, err := openReply(secret, datagram)
	if err != nil {
		t.Fatalf("%v: %s", err, datagram)
	}
	if salt != request.Rsalt {
		t.Fatalf("rsalt %q came back as %q", request.Rsalt, salt)
	}
	if _, _, err := codec.OpenReply(datagram); err != nil {
		t.Fatalf("%v: %s", err, datagram)
	}
	r, err := parseReply([]byte(msg))
	if err != nil {
		t.Fatalf("type %d: %v", request.Type, err)
	}
	if err := schemas.validate("wire.json#/definitions/Reply", decode([]byte(msg))); err != nil {
		t.Fatalf("type %d: %v\n%s", request.Type, err, msg)
	}
	if r.Status != int(answered.Status) {
		t.Fatalf("status %d above %s", answered.Status, msg)
	}
	if r.Status != int(wire.StatusOK) {
		_, isText := r.Answer.(string)
		if request.Type == wire.RequestNodeRoleByName && !isText {
			t.Fatalf("an error about a node's role could be read as the role: %s", msg)
		}
		if r.Serial != "0" {
			t.Fatalf("an error with a serial number: %s", msg)
		}
	}
	return r, true
}

// TestDamagedConfigurations: a valid configuration after one change of its bytes is refused
// or served, and nothing panics.
func TestDamagedConfigurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := clusters().Draw(t, "cluster").file
		at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
		switch rapid.SampledFrom([]string{"cut", "byte", "text", "part", "twice"}).Draw(t, "damage") {
		case "cut":
			data = data[:at]
		case "byte":
			data[at] = rapid.Byte().Draw(t, "byte")
		case "text":
			text := rapid.SampledFrom([]string{`{`, `]`, `"`, `,`, `null`, `-`, `1e999`, `99999999999999999999`, `{}`, `[]`, `\u0000`, "\xff", "\ufeff"}).Draw(t, "text")
			data = slices.Concat(data[:at], []byte(text), data[at:])
		case "part":
			data = slices.Delete(data, at, min(len(data), at+rapid.IntRange(1, 40).Draw(t, "length")))
		case "twice":
			data = slices.Concat(data[:at], data[at/2:])
		}
		loadAndAsk(t, data)
	})
}

// TestMutatedConfigurations: likewise, if a value is changed, so that the file stays valid
// JSON.
func TestMutatedConfigurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := decode(clusters().Draw(t, "cluster").file)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			value = mutate(t, value)
		}
		loadAndAsk(t, encode(value))
	})
}

// TestExtremeConfigurations: sizes that no cluster has.
func TestExtremeConfigurations(t *testing.T) {
	nested := func(depth int, before, after string) string {
		return strings.Repeat(before, depth) + "1" + strings.Repeat(after, depth)
	}
	disk := `{"dev_type":"drbd","logical_id":["u0","u0",1,1,1,"s"],"size":1,"uuid":"d","serial_no":1,"children":[`
	for name, member := range map[string]string{
		"deep list":        `"disks": ` + nested(9_000, "[", "]"),
		"deeper list":      `"cluster": {"hvparams": ` + nested(200_000, "[", "]") + `}`,
		"deep object":      `"instances": ` + nested(50_000, `{"u0":`, "}"),
		"deep disk":        `"disks": {"u0": ` + nested(2_000, disk, `]}`) + `}`,
		"many digits":      `"version": ` + strings.Repeat("9", 1<<20),
		"great exponent":   `"version": 1e1000000000`,
		"great parameter":  `"cluster": {"hvparams": {"kvm": {"x": 1e1000000000, "y": -1e-1000000000}}}`,
		"great time":       `"ctime": 1e300, "mtime": -1e1000000000`,
		"long string":      `"cluster": {"master_node": "` + strings.Repeat(`\u0000`, 1<<18) + `"}`,
		"long member":      `"` + strings.Repeat("x", 1<<20) + `": 1`,
		"long node name":   `"nodes": {"u0": {"name": "` + strings.Repeat("a.", 1<<19) + `", "primary_ip": "` + strings.Repeat("1", 1<<20) + `"}}`,
		"empty everything": `"nodes": {}, "instances": {}, "disks": {}`,
	} {
		t.Run(name, func(t *testing.T) {
			loadAndAsk(t, []byte("{"+member+"}"))
			// The same in a configuration that is otherwise complete.
			loadAndAsk(t, slices.Concat(bytes.TrimRight(smallestCluster, " \n}"), []byte("}, "+member+"}")))
		})
	}
}
