// Package decode explains datagrams of the protocol: what they are, and why a daemon or a client
// would ignore them.
package decode

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-json"
	"github.com/spf13/cobra"

	"gntconfd/cmd/confdctl/ask"
	"gntconfd/cmd/confdctl/show"
	"gntconfd/gen/wire"
	"gntconfd/internal/advice"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/protocol"
	"gntconfd/internal/terminal"
)

// Command explains datagrams.
func Command() *cobra.Command {
	var (
		conn ask.Connection
		form show.Form
		at   string
		port uint16
	)
	command := &cobra.Command{
		Use:   "decode [FILE | TEXT]...",
		Short: "Explain datagrams, and why a daemon would ignore them",
		Long: `decode explains datagrams of the protocol: what each asks or answers, whether its
signature verifies with the key, how far its clock is off, and at which check a daemon
would drop it. Daemons say nothing about what they drop.

An argument is a file, or the datagram in hex or base64; without one, or as -, standard
input is read. A file is one datagram, as it is, in hex or in base64, or a capture (pcap
or pcapng, as tcpdump -w and Wireshark write it). Of a capture it shows what begins as a
datagram of the protocol does, or has the daemon's port. Clocks are compared with --at,
with the time of a packet in a capture, or with this machine's clock.

A signature made with the key but without the newline at the end of its file, a common
mistake, is recognised. Without a key file signatures are not checked.

Exit status: 0 nothing would be dropped; 1 wrong usage or an error on this machine; 2
something would be.`,
		Example: `  tcpdump -i any -w confd.pcap udp port 1814
  confdctl decode confd.pcap
  confdctl decode --key-file hmac.key 706c6a307b22...
  confdctl decode --at 2026-11-30T10:15:00Z datagram.bin`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		e := examiner{port: port, now: time.Now()}
		if at != "" {
			var err error
			if e.now, err = parseTime(at); err != nil {
				return advice.Usage(command, err)
			}
			e.fixed = true
		}
		key, err := conn.Key()
		switch {
		case err == nil:
			e.key, e.keyFile = key, conn.KeyFile
		case command.Flags().Changed("key-file") || !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if len(args) == 0 {
			args = []string{"-"}
		}
		for _, arg := range args {
			stdin := command.InOrStdin()
			if file, is := stdin.(*os.File); arg == "-" && is && terminal.Width(file) > 0 {
				terminal.Say(command.ErrOrStderr(), "confdctl: waiting for a datagram on standard input; Ctrl-D at the beginning of a line ends it")
			}
			if err := e.take(arg, stdin); err != nil {
				return advice.Usage(command, err)
			}
		}
		return e.report(command.OutOrStdout(), command.ErrOrStderr(), form)
	}
	flags := command.Flags()
	ask.AddKeyFile(flags, &conn.KeyFile, "`file` with the cluster's key")
	flags.StringVar(&at, "at", "", "`time` to compare clocks with, as 2026-11-30T10:15:00Z or seconds since 1970")
	flags.Uint16VarP(&port, "port", "p", ganeti.Port(), "UDP `port` of the daemon in captures")
	form.AddFlags(command, show.ForTexts)
	return command
}

// parseTime reads a time in the formats of people and clocks.
func parseTime(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("--at %s: not a time such as 2026-11-30T10:15:00Z, nor seconds since 1970", text)
	}
	return t, nil
}

// examiner examines datagrams one after the other.
type examiner struct {
	key     []byte // nil if signatures are not checked
	keyFile string
	port    uint16
	now     time.Time
	fixed   bool // whether now overrides the times in captures

	findings []finding
	others   int // packets in captures that are not of this protocol
	cut      int
}

// finding describes a datagram. It is also the format for programs.
type finding struct {
	Number    int             `json:"number"`
	Time      string          `json:"time,omitempty"`
	From      string          `json:"from,omitempty"`
	To        string          `json:"to,omitempty"`
	Bytes     int             `json:"bytes"`
	Kind      string          `json:"kind"` // request, reply or unknown
	Signature string          `json:"signature"`
	ClockOff  *int64          `json:"clock_off_s,omitempty"` // of a request; positive if ahead
	Type      *int            `json:"type,omitempty"`
	Name      string          `json:"name,omitempty"`
	Query     json.RawMessage `json:"query,omitempty"`
	Rsalt     string          `json:"rsalt,omitempty"`
	Status    *int            `json:"status,omitempty"`
	Answer    json.RawMessage `json:"answer,omitempty"`
	Serial    *int64          `json:"serial,omitempty"`
	Answers   int             `json:"answers,omitempty"`      // number of the request that this replies to
	Check     string          `json:"failed_check,omitempty"` // as named in the protocol's description
	Verdict   string          `json:"verdict"`
}

// Signatures of datagrams.
const (
	signatureOK        = "ok"
	signatureWrong     = "wrong"
	signatureNewline   = "made without the newline at the end of the key"
	signatureUnchecked = "not checked, there is no key"
	signatureNone      = "none"
)

// take examines the datagrams that an argument names.
func (e *examiner) take(arg string, stdin io.Reader) error {
	var content []byte
	var err error
	switch _, statErr := os.Stat(arg); {
	case arg == "-":
		content, err = io.ReadAll(stdin)
	case statErr == nil:
		content, err = os.ReadFile(arg)
	default:
		if content = fromText([]byte(arg)); content == nil {
			return fmt.Errorf("%q is no file, and neither hex nor base64", arg)
		}
	}
	if err != nil {
		return err
	}
	if isCapture(content) {
		packets, cut, err := capture(content)
		e.cut += cut
		for _, p := range packets {
			if !bytes.HasPrefix(p.data, []byte(wire.Magic)) && p.from.Port() != e.port && p.to.Port() != e.port {
				e.others++
				continue
			}
			now := p.at
			if e.fixed {
				now = e.now
			}
			f := e.examine(p.data, now)
			f.Time, f.From, f.To = p.at.In(show.Zone).Format(time.RFC3339Nano), p.from.String(), p.to.String()
			e.enter(f)
		}
		return err
	}
	if !bytes.HasPrefix(content, []byte(wire.Magic)) {
		if text := fromText(content); text != nil {
			content = text
		}
	}
	e.enter(e.examine(content, e.now))
	return nil
}

// fromText reads bytes in hexadecimal, with or without spaces or colons between them, or a
// datagram in base64. It returns nil for any other text.
func fromText(text []byte) []byte {
	plain := strings.NewReplacer(":", "", "0x", "").Replace(strings.Join(strings.Fields(string(text)), ""))
	if data, err := hex.DecodeString(plain); err == nil && len(data) > 0 {
		return data
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding} {
		if data, err := encoding.DecodeString(plain); err == nil && bytes.HasPrefix(data, []byte(wire.Magic)) {
			return data // without the magic it could be any word
		}
	}
	return nil
}

// enter adds a finding, and finds the request to which a reply belongs.
func (e *examiner) enter(f finding) {
	f.Number = len(e.findings) + 1
	if f.Kind == kindReply {
		for _, before := range e.findings {
			if before.Kind == kindRequest && before.Rsalt == f.Rsalt && f.Rsalt != "" {
				f.Answers, f.Type, f.Name, f.Query = before.Number, before.Type, before.Name, before.Query
			}
		}
	}
	e.findings = append(e.findings, f)
}

// Kinds of datagrams.
const (
	kindRequest = "request"
	kindReply   = "reply"
	kindUnknown = "unknown"
)

// examine finds out what a datagram is, and what a daemon or client does with it if its clock
// says now.
func (e *examiner) examine(datagram []byte, now time.Time) finding {
	f := finding{Bytes: len(datagram), Kind: kindUnknown, Signature: signatureNone}
	body, magic := bytes.CutPrefix(datagram, []byte(wire.Magic))
	var envelope struct{ Msg, Salt, Hmac string }
	switch {
	case !magic || json.Unmarshal(body, &envelope) != nil:
	case e.key == nil:
		f.Signature = signatureUnchecked
	default:
		f.Signature = e.signature(datagram, now)
	}
	f.message(envelope.Msg, envelope.Salt)
	if f.Kind == kindRequest {
		if seconds, err := strconv.ParseInt(strings.TrimSpace(envelope.Salt), 10, 64); err == nil {
			off := seconds - now.Unix()
			f.ClockOff = &off
		}
	}
	if f.Kind == kindReply {
		f.judgeReply(e, datagram)
	} else {
		f.judgeRequest(e, datagram, now)
	}
	return f
}

// signature returns whether a datagram is signed with the key.
func (e *examiner) signature(datagram []byte, now time.Time) string {
	if signed(e.key, datagram, now) {
		return signatureOK
	}
	if trimmed := bytes.TrimRight(e.key, "\r\n"); len(trimmed) < len(e.key) && signed(trimmed, datagram, now) {
		return signatureNewline
	}
	return signatureWrong
}

func signed(key, datagram []byte, now time.Time) bool {
	switch refusal := protocol.NewCodec(protocol.NewKeyring(key)).Authenticate(datagram, now); refusal {
	case protocol.Accepted, protocol.RefusedClock: // the clock is checked after the signature
		return true
	}
	return false
}

// message reads the signed part as far as it is readable.
func (f *finding) message(text, salt string) {
	var m struct {
		Type   *int            `json:"type"`
		Query  json.RawMessage `json:"query"`
		Rsalt  string          `json:"rsalt"`
		Status *int            `json:"status"`
		Answer json.RawMessage `json:"answer"`
		Serial *int64          `json:"serial"`
	}
	if json.Unmarshal([]byte(text), &m) != nil {
		return
	}
	switch {
	case m.Status != nil:
		f.Kind, f.Status, f.Answer, f.Serial, f.Rsalt = kindReply, m.Status, m.Answer, m.Serial, salt
	case m.Type != nil:
		f.Kind, f.Type, f.Query, f.Rsalt = kindRequest, m.Type, m.Query, m.Rsalt
		if *m.Type >= 0 && *m.Type < len(wire.RequestWords) {
			f.Name = wire.RequestWords[*m.Type]
		}
	}
}

// judgeRequest finds out what a daemon does with a request, or with a datagram that is no valid
// request.
func (f *finding) judgeRequest(e *examiner, datagram []byte, now time.Time) {
	key := e.key
	if key == nil {
		key = []byte("none") // signs nothing
	}
	codec := protocol.NewCodec(protocol.NewKeyring(key))
	_, refusal := codec.Open(datagram, now)
	if refusal == protocol.RefusedHMAC && e.key == nil {
		f.Verdict = "whether a daemon answers it is unknown without a key"
		if f.ClockOff != nil && (*f.ClockOff > wire.ClockSkew || *f.ClockOff < -wire.ClockSkew) {
			refusal = protocol.RefusedClock
		} else {
			return
		}
	}
	switch refusal {
	case protocol.Accepted:
		f.Verdict = "a daemon with this key and clock answers it"
	case protocol.RefusedSize:
		f.Check, f.Verdict = "size", fmt.Sprintf("a datagram has %d to %d bytes", len(wire.Magic), wire.MaxDatagramSize)
	case protocol.RefusedMagic:
		f.Check, f.Verdict = "magic", fmt.Sprintf("it begins with %q, not with %q: it is no datagram of this protocol", datagram[:len(wire.Magic)], wire.Magic)
	case protocol.RefusedJSON:
		f.Check, f.Verdict = "envelope", fmt.Sprintf("after %s no JSON object with the texts msg, salt and hmac follows: %v", wire.Magic, codec.Cause())
	case protocol.RefusedHMAC:
		f.Check, f.Verdict = "signature", fmt.Sprintf("it is not signed with the key in %s: the sender has another cluster's key or an old one, or the datagram was damaged", e.keyFile)
		if f.Signature == signatureNewline {
			f.Verdict = "the sender leaves out the newline at the end of the key; every byte of the file counts"
		}
	case protocol.RefusedClock:
		f.Check = "clock"
		if f.ClockOff == nil {
			f.Verdict = "its salt is not a number of seconds since 1970"
		} else {
			f.Verdict = fmt.Sprintf("the sender's clock is %s; more than %d s are too much", offText(*f.ClockOff), wire.ClockSkew)
		}
	case protocol.RefusedRequest:
		f.Check, f.Verdict = "request", "what is signed is no request: "+strings.TrimPrefix(codec.Cause().Error(), "request: ")
	}
}

// offText says by how much a clock is off: in seconds as long as these can be compared with how
// much is too much.
func offText(seconds int64) string {
	if seconds == 0 {
		return "right"
	}
	off, where := seconds, " ahead"
	if seconds < 0 {
		off, where = -seconds, " behind"
	}
	const day = 24 * 60 * 60
	switch {
	case off >= 2*day: // perhaps more than a time.Duration holds
		return fmt.Sprintf("%d days", off/day) + where
	case off > 2*wire.ClockSkew:
		return show.Age(time.Duration(off)*time.Second) + where
	}
	return fmt.Sprintf("%d s", off) + where
}

// judgeReply finds out what a client does with a reply.
func (f *finding) judgeReply(e *examiner, datagram []byte) {
	if e.key == nil {
		f.Verdict = "whether a client takes it is unknown without a key"
		return
	}
	_, _, err := protocol.NewCodec(protocol.NewKeyring(e.key)).OpenReply(datagram)
	switch {
	case err == nil:
		f.Verdict = "a client that asked with this rsalt takes it"
	case errors.Is(err, protocol.ErrHMAC):
		f.Check, f.Verdict = "signature", fmt.Sprintf("it is not signed with the key in %s: the daemon has another key, or the datagram was damaged", e.keyFile)
		if f.Signature == signatureNewline {
			f.Verdict = "the sender leaves out the newline at the end of the key; every byte of the file counts"
		}
	default:
		f.Check, f.Verdict = "reply", err.Error()
	}
}

// report prints the findings.
func (e *examiner) report(stdout, stderr io.Writer, form show.Form) error {
	if form.ForPrograms() {
		if err := form.Write(stdout, e.findings); err != nil {
			return err
		}
	} else if err := e.text(stdout); err != nil {
		return err
	}
	if e.cut > 0 {
		fmt.Fprintf(stderr, "confdctl: %d packets were not captured whole; tcpdump -s 0 does\n", e.cut)
	}
	if len(e.findings) == 0 {
		return fmt.Errorf("there is no datagram of the protocol among %d packets", e.others+e.cut)
	}
	dropped := 0
	for _, f := range e.findings {
		if f.Check != "" {
			dropped++
		}
	}
	switch {
	case dropped > 0 && len(e.findings) == 1:
		return show.Missing("the datagram would be dropped")
	case dropped > 0:
		return show.Missing(fmt.Sprintf("%d of %d datagrams would be dropped", dropped, len(e.findings)))
	}
	return nil
}

// text prints the findings as text.
func (e *examiner) text(w io.Writer) error {
	style := terminal.StyleFor(w)
	width := terminal.Width(w)
	for i, f := range e.findings {
		if i > 0 {
			fmt.Fprintln(w)
		}
		title := fmt.Sprintf("%d  %s of %d bytes", f.Number, f.Kind, f.Bytes)
		if f.Kind == kindUnknown {
			title = fmt.Sprintf("%d  %d bytes that are neither request nor reply", f.Number, f.Bytes)
		}
		if f.From != "" {
			at, err := time.Parse(time.RFC3339Nano, f.Time)
			if err != nil {
				return err
			}
			title += fmt.Sprintf(", %s to %s, %s", f.From, f.To, at.In(show.Zone).Format("2006-01-02 15:04:05.000"))
		}
		t := terminal.Table{}
		row := func(name string, value any) { t.Row("   "+name, value) }
		if f.Type != nil {
			question := fmt.Sprintf("%d %s", *f.Type, f.Name)
			if len(f.Query) > 0 && string(f.Query) != "null" {
				question += " " + show.Inline(append([]byte(nil), f.Query...))
			}
			if f.Kind == kindReply {
				question += fmt.Sprintf(" (number %d)", f.Answers)
			}
			row("question", question)
		}
		if f.Status != nil {
			row("status", fmt.Sprintf("%d %s", *f.Status, show.StatusWords[wire.Status(*f.Status)]))
			answer := show.Inline(append([]byte(nil), f.Answer...))
			if room := max(width-16, 60); len(answer) > room {
				answer = fmt.Sprintf("%s... (%d bytes)", answer[:room-20], len(f.Answer))
			}
			row("answer", answer)
		}
		if f.Serial != nil {
			row("serial", *f.Serial)
		}
		if f.Rsalt != "" {
			row("rsalt", f.Rsalt)
		}
		tone := terminal.Good
		switch f.Signature {
		case signatureUnchecked, signatureNone:
			tone = terminal.Plain
		case signatureWrong, signatureNewline:
			tone = terminal.Bad
		}
		row("signature", tone.Cell(f.Signature))
		if f.ClockOff != nil {
			row("clock", offText(*f.ClockOff))
		}
		verdict, tone := f.Verdict, terminal.Plain
		if f.Check != "" {
			verdict, tone = "dropped at the check of the "+f.Check+": "+f.Verdict, terminal.Bad
		}
		name := "verdict"
		for _, line := range terminal.Wrap(verdict, max(width-len("   signature  "), 0)) {
			row(name, tone.Cell(line))
			name = ""
		}
		fmt.Fprintln(w, style.Paint(terminal.Strong, terminal.Printable(title)))
		if err := t.Write(w); err != nil {
			return err
		}
	}
	return nil
}
