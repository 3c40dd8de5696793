package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// packet is a UDP datagram of a capture file.
type packet struct {
	at       time.Time
	from, to netip.AddrPort
	data     []byte
}

// isCapture reports whether a file is a capture: pcap in either byte order, with
// microseconds or nanoseconds, or pcapng.
func isCapture(file []byte) bool {
	_, _, known := pcapOrder(file)
	return known || bytes.HasPrefix(file, []byte{0x0a, 0x0d, 0x0d, 0x0a})
}

// pcapOrder returns the byte order of a pcap file and the unit of its times.
func pcapOrder(file []byte) (order binary.ByteOrder, unit time.Duration, known bool) {
	if len(file) < 24 {
		return nil, 0, false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(file) {
		case 0xa1b2c3d4:
			return order, time.Microsecond, true
		case 0xa1b23c4d:
			return order, time.Nanosecond, true
		}
	}
	return nil, 0, false
}

// capture reads the UDP datagrams of a capture file and reassembles fragments. cut is the number
// of packets that were not captured or sent completely.
func capture(file []byte) (packets []packet, cut int, err error) {
	r := reader{pieces: make(map[string]*pieces)}
	if order, unit, known := pcapOrder(file); known {
		err = r.pcap(file[24:], order, unit, order.Uint32(file[20:])&0xffff)
	} else {
		err = r.pcapng(file)
	}
	return r.packets, r.cut + len(r.pieces), err
}

type reader struct {
	packets []packet
	pieces  map[string]*pieces // by addresses and identification
	cut     int
}

var errShort = errors.New("the capture file ends in the middle of a packet")

func (r *reader) pcap(file []byte, order binary.ByteOrder, unit time.Duration, link uint32) error {
	for len(file) > 0 {
		if len(file) < 16 {
			return errShort
		}
		at := time.Unix(int64(order.Uint32(file)), 0).Add(time.Duration(order.Uint32(file[4:])) * unit)
		size, whole := order.Uint32(file[8:]), order.Uint32(file[12:])
		if uint64(size) > uint64(len(file)-16) {
			return errShort
		}
		r.frame(file[16:16+size], link, at, size < whole)
		file = file[16+size:]
	}
	return nil
}

// pcapng reads sections with interfaces and packets, and skips other blocks.
func (r *reader) pcapng(file []byte) error {
	var order binary.ByteOrder = binary.LittleEndian
	type port struct {
		link uint32
		unit float64 // seconds
	}
	var ports []port
	for len(file) > 0 {
		if len(file) < 12 {
			return errShort
		}
		kind := order.Uint32(file)
		if kind == 0x0a0d0d0a {
			order = binary.LittleEndian
			if order.Uint32(file[8:]) != 0x1a2b3c4d {
				order = binary.BigEndian
			}
			ports = nil
		}
		size := order.Uint32(file[4:])
		if size < 12 || uint64(size) > uint64(len(file)) {
			return errShort
		}
		body := file[8 : size-4]
		file = file[size:]
		switch {
		case kind == 1 && len(body) >= 8: // an interface
			ports = append(ports, port{uint32(order.Uint16(body)), resolution(body[8:], order)})
		case kind == 6 && len(body) >= 20: // a packet
			i, length := order.Uint32(body), order.Uint32(body[12:])
			if uint64(i) >= uint64(len(ports)) || uint64(length) > uint64(len(body)-20) {
				return errShort
			}
			ticks := uint64(order.Uint32(body[4:]))<<32 | uint64(order.Uint32(body[8:]))
			seconds := float64(ticks) * ports[i].unit
			at := time.UnixMicro(int64(seconds * 1e6))
			r.frame(body[20:20+length], ports[i].link, at, length < order.Uint32(body[16:]))
		}
	}
	return nil
}

// resolution returns the unit of an interface's times in seconds, from its options.
func resolution(options []byte, order binary.ByteOrder) float64 {
	for len(options) >= 4 {
		code, size := order.Uint16(options), int(order.Uint16(options[2:]))
		if code == 9 && size == 1 && len(options) > 4 {
			unit := 1.0
			base := 10.0
			if options[4]&0x80 != 0 {
				base = 2
			}
			for range options[4] & 0x7f {
				unit /= base
			}
			return unit
		}
		options = options[min(len(options), 4+(size+3)/4*4):]
	}
	return 1e-6
}

// Link types of captures.
const (
	linkNull     = 0
	linkEthernet = 1
	linkRaw      = 101
	linkCooked   = 113
	linkCooked2  = 276
)

// frame looks for a UDP datagram in a frame.
func (r *reader) frame(frame []byte, link uint32, at time.Time, cut bool) {
	if cut {
		r.cut++
		return
	}
	skip := map[uint32]int{linkNull: 4, linkEthernet: 14, linkRaw: 0, linkCooked: 16, linkCooked2: 20}
	header, known := skip[link]
	if !known || len(frame) < header {
		return
	}
	if link == linkEthernet {
		for len(frame) >= header+4 && slices.Contains([]uint16{0x8100, 0x88a8}, binary.BigEndian.Uint16(frame[header-2:])) {
			header += 4 // a VLAN tag
		}
	}
	frame = frame[header:]
	switch {
	case len(frame) >= 20 && frame[0]>>4 == 4:
		r.ipv4(frame, at)
	case len(frame) >= 40 && frame[0]>>4 == 6:
		r.ipv6(frame, at)
	}
}

func (r *reader) ipv4(p []byte, at time.Time) {
	header, size := int(p[0]&15)*4, int(binary.BigEndian.Uint16(p[2:]))
	if header < 20 || size < header || size > len(p) || p[9] != protocolUDP {
		return
	}
	from, to := netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
	fragment := binary.BigEndian.Uint16(p[6:])
	payload := p[header:size]
	if fragment&0x3fff != 0 {
		id := fmt.Sprint(from, to, binary.BigEndian.Uint16(p[4:]))
		payload = r.join(id, int(fragment&0x1fff)*8, payload, fragment&0x2000 != 0)
	}
	r.udp(payload, from, to, at)
}

const protocolUDP = 17

func (r *reader) ipv6(p []byte, at time.Time) {
	from, to := netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
	next, size := p[6], int(binary.BigEndian.Uint16(p[4:]))
	if size > len(p)-40 {
		return
	}
	payload := p[40 : 40+size]
	for next != protocolUDP {
		if len(payload) < 8 {
			return
		}
		switch next {
		case 0, 43, 60: // extension headers
			length := 8 + int(payload[1])*8
			if length > len(payload) {
				return
			}
			next, payload = payload[0], payload[length:]
		case 44: // a fragment
			offset := binary.BigEndian.Uint16(payload[2:])
			id := fmt.Sprint(from, to, binary.BigEndian.Uint32(payload[4:]))
			next = payload[0]
			if payload = r.join(id, int(offset&^7), payload[8:], offset&1 != 0); payload == nil {
				return
			}
		default:
			return
		}
	}
	r.udp(payload, from, to, at)
}

// pieces are the fragments of a packet.
type pieces struct {
	data []byte
	have int
	size int // -1 until the last fragment is there
}

// join adds a fragment, and returns the packet once it is complete.
func (r *reader) join(id string, offset int, data []byte, more bool) []byte {
	p := r.pieces[id]
	if p == nil {
		p = &pieces{size: -1}
		r.pieces[id] = p
	}
	if end := offset + len(data); end > len(p.data) {
		p.data = append(p.data, make([]byte, end-len(p.data))...)
	}
	p.have += copy(p.data[offset:], data)
	if !more {
		p.size = offset + len(data)
	}
	if p.size < 0 || p.have < p.size {
		return nil
	}
	delete(r.pieces, id)
	return p.data[:p.size]
}

func (r *reader) udp(p []byte, from, to netip.Addr, at time.Time) {
	if len(p) < 8 {
		return
	}
	size := int(binary.BigEndian.Uint16(p[4:]))
	if size < 8 || size > len(p) {
		return
	}
	r.packets = append(r.packets, packet{
		at:   at,
		from: netip.AddrPortFrom(from, binary.BigEndian.Uint16(p)),
		to:   netip.AddrPortFrom(to, binary.BigEndian.Uint16(p[2:])),
		data: p[8:size],
	})
}
