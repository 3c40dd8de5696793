package answer

import (
	"errors"
	"math"

	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

// answerConfig answers with the part of the configuration that a pointer leads
// to.
func (b *Book) answerConfig(query *wire.Query, s *Scratch) (Reply, bool) {
	if query.Type != wire.StringQuery {
		return s.errorText(invalidQuery(query)), true
	}
	var err error
	s.text.Buf, err = b.snapshot.AppendValue(s.text.Buf[:0], query.String, wire.MaxDatagramSize)
	switch {
	case errors.Is(err, cluster.ErrNoValue):
		return argumentError, true
	case errors.Is(err, cluster.ErrTooLarge):
		return TooLarge, true
	case err != nil:
		return s.errorText(err.Error()), true
	}
	s.begin().Raw(s.text.Buf)
	return s.end(wire.StatusOK, b.snapshot.Serial), true
}

// prepareCollectors prepares the state of the data collectors that Ganeti knows;
// the configuration may lack some and have others.
func (b *Book) prepareCollectors(s *Scratch) {
	e := s.begin()
	e.ObjStart()
	for _, name := range [...]string{
		wire.CollectorCPULoad,
		wire.CollectorXenCPULoad,
		wire.CollectorDiskStats,
		wire.CollectorDRBD,
		wire.CollectorInstanceStatus,
		wire.CollectorLV,
	} {
		state := wire.DataCollector{Active: true, Interval: wire.CollectorInterval}
		if c, ok := b.snapshot.Collectors[name]; ok {
			state = wire.DataCollector{Active: c.Active, Interval: int64(math.RoundToEven(c.Interval))}
		}
		if name == wire.CollectorInstanceStatus {
			state.Active = state.Active && b.xenEnabled()
		}
		e.FieldStart(name)
		state.Encode(e)
	}
	e.ObjEnd()
	b.collectors = s.prepare(wire.StatusOK, b.snapshot.Serial)
}

func (b *Book) xenEnabled() bool {
	for _, hypervisor := range b.snapshot.Hypervisors {
		if hypervisor == "xen-pvm" || hypervisor == "xen-hvm" {
			return true
		}
	}
	return false
}

func (b *Book) answerCollectors(*wire.Query, *Scratch) (Reply, bool) { return b.collectors, true }
