package udp

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"gntconfd/gen/wire"
)

const (
	// BatchSize is how many datagrams one system call reads or writes. More would save
	// little: by then the kernel's work per datagram far exceeds the cost of the call.
	BatchSize = 32

	// slotSize is the room for one received datagram, larger than allowed so that a
	// datagram that is too long is noticed. It is an odd number of cache lines, so that the
	// beginnings of the slots, often the only part used, fall into different cache sets.
	slotSize = wire.MaxDatagramSize + 64
)

// A Batch holds the datagrams of one read and the replies of the next write. All its memory
// is allocated once: neither a read nor a reply allocates. It is not safe for concurrent
// use.
type Batch struct {
	// memory is a separate mapping: slots for the datagrams, then room for as many replies
	// of the largest size, one after the other. Of its 4 MB only pages that have been used
	// take memory, one or two per slot for short datagrams. On the Go heap the whole size
	// would count, and the garbage collector would let the heap grow by as much.
	memory []byte

	received []mmsghdr // the datagrams in the slots
	names    [BatchSize]unix.RawSockaddrInet6
	control  [BatchSize]control
	// in and out describe the slots and the replies to the kernel.
	in, out   [BatchSize]mmsghdr
	inv, outv [BatchSize]unix.Iovec

	room    []byte         // the free part of the room for replies
	replies int            // how many of out are set
	sent    int            // how many of them are finished, including failed ones
	failed  int            // how many of these failed
	asked   [BatchSize]int // for each of out, the datagram that it replies to
	errs    [BatchSize]error
}

// mmsghdr is the structure of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// control is the only control message used: the local address that a datagram was sent to
// and, for the reply, the address to send it from.
type control struct {
	hdr  unix.Cmsghdr
	info unix.Inet6Pktinfo // on an IPv4 socket, the shorter Inet4Pktinfo
}

// NewBatch allocates an empty batch. Call Free after use.
func NewBatch() (*Batch, error) {
	memory, err := unix.Mmap(-1, 0, BatchSize*(slotSize+wire.MaxDatagramSize),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	// A huge page would use 2 MB at the first byte touched. If the kernel rejects the
	// advice, it has no huge pages.
	_ = unix.Madvise(memory, unix.MADV_NOHUGEPAGE)

	b := &Batch{memory: memory}
	for i := range BatchSize {
		b.inv[i].Base = &memory[i*slotSize]
		b.inv[i].SetLen(wire.MaxDatagramSize + 1)
		in := &b.in[i].hdr
		in.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		in.Control = (*byte)(unsafe.Pointer(&b.control[i]))
		in.Iov = &b.inv[i]
		in.SetIovlen(1)
		b.out[i].hdr.Iov = &b.outv[i]
		b.out[i].hdr.SetIovlen(1)
	}
	b.received = b.in[:] // so that clear prepares all of them
	b.clear()
	return b, nil
}

// Free releases the memory. Do not use datagrams or reply buffers of the Batch afterwards.
func (b *Batch) Free() error {
	return os.NewSyscallError("munmap", unix.Munmap(b.memory))
}

// clear discards datagrams and replies.
func (b *Batch) clear() {
	for i := range b.received {
		// On input this is the available room, on output the used part.
		b.received[i].hdr.Namelen = unix.SizeofSockaddrInet6
		b.received[i].hdr.SetControllen(int(unsafe.Sizeof(control{})))
	}
	clear(b.errs[:len(b.received)])
	b.received = nil
	b.room = b.memory[BatchSize*slotSize:]
	b.replies, b.sent, b.failed = 0, 0, 0
}

// receive fills the batch without waiting.
func (b *Batch) receive(fd uintptr) unix.Errno {
	n, errno := mmsg(unix.SYS_RECVMMSG, fd, b.in[:])
	if errno == 0 {
		b.received = b.in[:n]
	}
	return errno
}

// send sends replies until all are finished. It returns false if the socket would have to
// wait.
func (b *Batch) send(fd uintptr) (done bool) {
	for b.sent < b.replies {
		n, errno := mmsg(unix.SYS_SENDMMSG, fd, b.out[b.sent:b.replies])
		switch errno {
		case 0:
			b.sent += n
		case unix.EAGAIN:
			return false
		default:
			// The first of the given replies is the one that failed.
			b.fail(errno)
		}
	}
	return true
}

// fail gives up on the first reply that is not yet sent.
func (b *Batch) fail(err error) {
	b.errs[b.asked[b.sent]] = err
	b.sent++
	b.failed++
}

// mmsg calls recvmmsg or sendmmsg, which take the same arguments, on a non-blocking socket.
// It returns how many of msgs, at least one, were handled before the first failure.
func mmsg(call, fd uintptr, msgs []mmsghdr) (int, unix.Errno) {
	for {
		n, _, errno := unix.Syscall6(call, fd, uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), 0, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Len returns the number of datagrams.
func (b *Batch) Len() int {
	return len(b.received)
}

// Datagram returns received datagram i, 0 to Len-1. A datagram that was too long is cut,
// but still longer than [wire.MaxDatagramSize]. The result is valid until the next read.
func (b *Batch) Datagram(i int) []byte {
	start, n := i*slotSize, int(b.received[i].len)
	return b.memory[start : start+n : start+n]
}

// From returns the sender of datagram i, as an IPv4 address if it came over IPv4.
func (b *Batch) From(i int) netip.AddrPort {
	name := &b.names[i]
	var addr netip.Addr
	if name.Family == unix.AF_INET {
		addr = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr)
	} else {
		addr = netip.AddrFrom16(name.Addr).Unmap()
	}
	if addr.Is6() && name.Scope_id != 0 {
		addr = addr.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
	}
	// Both families have the port in the same place, in network byte order.
	var port [2]byte
	binary.NativeEndian.PutUint16(port[:], name.Port)
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port[:]))
}

// IPv4 reports whether datagram i came over IPv4 rather than IPv6.
func (b *Batch) IPv4(i int) bool {
	name := &b.names[i]
	return name.Family == unix.AF_INET || netip.AddrFrom16(name.Addr).Is4In6()
}

// ReplyBuffer returns an empty slice with room for a reply of at least
// [wire.MaxDatagramSize] bytes, to append the next reply to. The next call overwrites it,
// unless the reply was passed to [Batch.Reply].
func (b *Batch) ReplyBuffer() []byte {
	return b.room[:0]
}

// Reply sets the reply to datagram i; call it at most once per datagram. An empty reply
// sends nothing. The data is usually an extended ReplyBuffer; it must not change until it
// is written.
func (b *Batch) Reply(i int, data []byte) {
	if len(data) == 0 {
		return
	}
	k := b.replies
	b.replies++
	b.asked[k] = i
	b.outv[k].Base = &data[0]
	b.outv[k].SetLen(len(data))
	b.room = b.room[min(len(data), len(b.room)):]

	in, out := &b.received[i].hdr, &b.out[k].hdr
	out.Name, out.Namelen = in.Name, in.Namelen
	out.Control, out.Controllen = in.Control, in.Controllen
	if in.Controllen > 0 {
		b.control[i].forgetInterface()
	}
}

// Add adds a datagram for a [Conn] to send; it must not change until it is written. Add
// returns false if there is no room until the next write.
func (b *Batch) Add(data []byte) bool {
	k := b.replies
	if k == BatchSize {
		return false
	}
	b.replies++
	b.asked[k] = k
	b.outv[k].Base = &data[0]
	b.outv[k].SetLen(len(data))
	out := &b.out[k].hdr
	out.Name, out.Namelen = nil, 0
	out.Control, out.Controllen = nil, 0
	return true
}

// SendError returns why the reply to datagram i could not be sent, or nil if it was sent or
// there was none.
func (b *Batch) SendError(i int) error {
	return b.errs[i]
}

// forgetInterface lets routing choose the interface for a reply: on hosts with several it
// may differ from the one that the datagram came in on. Only a link-local address needs its
// interface.
func (c *control) forgetInterface() {
	switch c.hdr.Level {
	case unix.IPPROTO_IP:
		info := c.ipv4()
		if !netip.AddrFrom4(info.Spec_dst).IsLinkLocalUnicast() {
			info.Ifindex = 0
		}
	case unix.IPPROTO_IPV6:
		if !netip.AddrFrom16(c.info.Addr).IsLinkLocalUnicast() {
			c.info.Ifindex = 0
		}
	}
}

func (c *control) ipv4() *unix.Inet4Pktinfo {
	return (*unix.Inet4Pktinfo)(unsafe.Pointer(&c.info))
}
