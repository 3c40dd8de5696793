package canonical

import (
	"bytes"
	"strconv"
	"strings"

	"gntconfd/gen/form"
	"gntconfd/gen/rules"
	"gntconfd/internal/jsontext"
)

// appendText appends a JSON string, read as what f's kind takes for text.
func (f *Form) appendText(dst, raw []byte) []byte {
	switch f.kind {
	case form.Mebibytes:
		if n, ok := parseMebibytes(string(jsontext.Unquote(raw))); ok {
			return strconv.AppendInt(dst, n, 10)
		}
	case form.JobID:
		if n, err := strconv.ParseUint(string(jsontext.Unquote(raw)), 10, 64); err == nil {
			return strconv.AppendUint(dst, n, 10)
		}
	case form.IPv4:
		if address, ok := parseIPv4(string(jsontext.Unquote(raw))); ok {
			return jsontext.AppendQuoted(dst, address)
		}
	case form.IPv4Network:
		if network, ok := parseIPv4Network(string(jsontext.Unquote(raw))); ok {
			return jsontext.AppendQuoted(dst, network)
		}
	}
	return appendString(dst, raw)
}

// parseMebibytes reads a whole number with a unit behind it, or none for
// mebibytes.
func parseMebibytes(text string) (int64, bool) {
	text = strings.TrimLeft(text, " ")
	digits := strings.TrimLeft(text, "-0123456789")
	n, err := strconv.ParseInt(text[:len(text)-len(digits)], 10, 64)
	if err != nil {
		return 0, false
	}
	factor, ok := rules.Units[strings.ToLower(strings.TrimLeft(digits, " "))]
	return n * factor, ok
}

// parseIPv4 reads an address of four decimal octets and returns it without
// leading zeros. Of an octet only the low eight bits count.
func parseIPv4(text string) ([]byte, bool) {
	octets := strings.Split(text, ".")
	if len(octets) != 4 {
		return nil, false
	}
	var address []byte
	for _, octet := range octets {
		n, err := strconv.ParseUint(octet, 10, 64)
		if err != nil {
			return nil, false
		}
		address = append(strconv.AppendUint(address, n&0xff, 10), '.')
	}
	return bytes.TrimSuffix(address, []byte{'.'}), true
}

// parseIPv4Network reads an address and a prefix length, with a slash between.
// The bits of the host stay as they are.
func parseIPv4Network(text string) ([]byte, bool) {
	host, prefix, ok := strings.Cut(text, "/")
	if !ok {
		return nil, false
	}
	address, ok := parseIPv4(host)
	if !ok {
		return nil, false
	}
	n, err := strconv.ParseUint(prefix, 10, 64)
	if err != nil || n&0xff > 32 {
		return nil, false
	}
	return strconv.AppendUint(append(address, '/'), n&0xff, 10), true
}
