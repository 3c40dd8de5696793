package clientside

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// clientVariable, in the environment of the test's own program, turns it into a client
// under test: honest, or with the defect that the variable names.
const clientVariable = "CONFD_TEST_CLIENT"

func TestMain(m *testing.M) {
	defect, ok := os.LookupEnv(clientVariable)
	if !ok {
		flag.Set("test.parallel", "16") // the tests wait more than they compute
		os.Exit(m.Run())
	}
	if err := serve(defect, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// honest returns the command of a client, with or without a defect.
func honest(defect string) []string {
	return []string{"env", clientVariable + "=" + defect, os.Args[0]}
}

// serve carries out orders until the input ends.
func serve(defect string, stdin io.Reader, stdout io.Writer) error {
	features := `{"features": ["coverage", "ipv6"]}`
	if defect == "no features" {
		features = `{}`
	}
	fmt.Fprintln(stdout, features)
	for in := json.NewDecoder(stdin); ; {
		var o order
		if err := in.Decode(&o); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		a := asking{order: &o, defect: defect, rsalt: rand.Text()}
		report, err := a.ask()
		if err != nil {
			return err
		}
		if defect == "other id" {
			o.ID = "x"
		}
		text, err := json.Marshal(line{ID: o.ID, Report: report})
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s\n", text)
	}
}

// asking is a small client of the protocol that shares no code with this project's own.
type asking struct {
	*order
	defect string
	rsalt  string
	best   *Report
	from   map[string]bool // the servers that have replied
}

// has reports whether the client has a defect.
func (a *asking) has(defect string) bool { return a.defect == defect }

func (a *asking) ask() (Report, error) {
	datagram, err := a.request()
	if err != nil {
		return Report{}, err
	}
	if len(datagram) > maxDatagram && !a.has("sends too much") {
		return Report{Error: Refused}, nil
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return Report{}, err
	}
	defer conn.Close()
	switch a.defect {
	case "asks one":
		a.Coverage = 1
	case "asks all":
		a.Coverage = len(a.Servers)
	}
	times := 1
	if a.has("floods") {
		times = 50
	}
	for _, server := range a.Servers[:a.Coverage] {
		for range times {
			if _, err := conn.WriteToUDPAddrPort(datagram, netip.MustParseAddrPort(server)); err != nil {
				return Report{}, err
			}
		}
	}
	timeout := time.Duration(a.TimeoutMS) * time.Millisecond
	if a.has("waits too long") {
		timeout += 5 * time.Second
	}
	conn.SetReadDeadline(time.Now().Add(timeout))
	a.from = make(map[string]bool)
	buf := make([]byte, 1<<16)
	for len(a.from) < a.Coverage {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			break // timeout
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if err := a.take(buf[:n], from.String()); err != nil {
			return Report{}, err
		}
	}
	if a.best == nil {
		return Report{Error: NoReply}, nil
	}
	return *a.best, nil
}

// request builds the datagram.
func (a *asking) request() ([]byte, error) {
	switch a.defect {
	case "same rsalt":
		a.rsalt = "rs"
	case "no rsalt":
		a.rsalt = ""
	}
	members := map[string]any{"protocol": 1, "type": a.Type, "rsalt": a.rsalt, "query": a.Query}
	switch a.defect {
	case "protocol as text":
		members["protocol"] = "1"
	case "no query":
		delete(members, "query")
	case "unknown member":
		members["version"] = 1
	case "type as text":
		members["type"] = fmt.Sprint(a.Type)
	}
	msg, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	salt := strconv.FormatInt(time.Now().Unix(), 10)
	switch a.defect {
	case "local time":
		salt = strconv.FormatInt(time.Now().Unix()+(5*60+45)*60, 10)
	case "milliseconds":
		salt = strconv.FormatInt(time.Now().UnixMilli(), 10)
	case "fraction of a second":
		salt += ".5"
	}
	key := a.Key
	if a.has("trims the key") {
		key = strings.TrimSpace(key)
	}
	signed := salt + string(msg)
	if a.has("signs without salt") {
		signed = string(msg)
	}
	envelope := map[string]any{"msg": string(msg), "salt": salt, "hmac": sum(key, signed)}
	if a.has("more in the envelope") {
		envelope["version"] = 1
	}
	outer, err := json.Marshal(envelope)
	if err != nil {
		return nil, err
	}
	switch a.defect {
	case "other magic":
		return append([]byte("plj1"), outer...), nil
	case "blank first":
		return append([]byte(magic+" "), outer...), nil
	case "raw UTF-8":
		return append([]byte(magic), outer...), nil
	}
	return append([]byte(magic), escape(outer)...), nil
}

// take handles a datagram, and keeps the best reply.
func (a *asking) take(datagram []byte, from string) error {
	known := false
	for _, server := range a.Servers[:a.Coverage] {
		known = known || server == from
	}
	if !known && !a.has("takes any source") {
		return nil
	}
	body, ok := bytes.CutPrefix(datagram, []byte(magic))
	var outer struct{ Msg, Salt, Hmac string }
	if err := json.Unmarshal(body, &outer); !ok || err != nil {
		if a.has("dies of garbage") {
			return fmt.Errorf("garbage: %w", err)
		}
		return nil
	}
	if a.has("wants small digits") && outer.Hmac != strings.ToLower(outer.Hmac) {
		return nil
	}
	unsigned := outer.Hmac == "" && a.has("takes unsigned")
	if !unsigned && !strings.EqualFold(outer.Hmac, sum(a.Key, outer.Salt+outer.Msg)) && !a.has("takes any signature") {
		return nil
	}
	if outer.Salt != a.rsalt && !a.has("takes any salt") {
		return nil
	}
	var reply struct {
		Report
		Protocol int64
	}
	d := json.NewDecoder(strings.NewReader(outer.Msg))
	if err := d.Decode(&reply); err != nil || reply.Protocol != 1 || reply.Answer == nil {
		return nil
	}
	if a.has("rounds numbers") {
		reply.Serial = int64(float64(reply.Serial))
	}
	a.from[from] = true
	if a.has("counts replies") {
		a.from[strconv.Itoa(len(a.from))] = true
	}
	switch best := a.best; {
	case best == nil || a.has("takes the last"):
	case a.has("takes the first"):
		return nil
	case a.has("forgets the status") && reply.Serial > best.Serial:
	case reply.Status != 0 || best.Status == 0 && reply.Serial <= best.Serial:
		return nil
	}
	a.best = &reply.Report
	return nil
}

// sum returns the HMAC-SHA1 of a text, as hexadecimal digits.
func sum(key, text string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// escape escapes the non-ASCII characters of a JSON text.
func escape(text []byte) (out []byte) {
	for _, c := range string(text) {
		if c < 0x7f {
			out = append(out, byte(c))
			continue
		}
		for _, unit := range utf16.Encode([]rune{c}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}
