package answer

import (
	"errors"
	"math"
	"slices"

	"gntconfd/gen/rules"
	"gntconfd/gen/wire"
	"gntconfd/internal/cluster"
)

// answerConfig answers with the part of the configuration at a JSON pointer.
func (b *Book) answerConfig(query *wire.Query, s *Scratch) (Reply, bool) {
	var err error
	s.Text.Buf, err = b.snapshot.AppendValue(s.Text.Buf[:0], query.String, wire.MaxDatagramSize)
	switch {
	case errors.Is(err, cluster.ErrNoValue):
		return argumentError, true
	case errors.Is(err, cluster.ErrTooLarge):
		return tooLarge, true
	case err != nil:
		return s.errorText(err.Error()), true
	}
	s.Begin().Raw(s.Text.Buf)
	return s.end(wire.StatusOK, b.snapshot.Serial), true
}

// prepareCollectors prepares the state of the data collectors that Ganeti knows. The
// configuration may lack some of them, or have others.
func (b *Book) prepareCollectors(s *Scratch) {
	e := s.Begin()
	e.ObjStart()
	for _, collector := range rules.Collectors {
		state := wire.DataCollector{Active: true, Interval: wire.CollectorInterval}
		if c, ok := b.snapshot.Collectors[collector.Name]; ok {
			state = wire.DataCollector{Active: c.Active, Interval: int64(math.RoundToEven(c.Interval))}
		}
		if collector.Hypervisors != nil && !slices.ContainsFunc(collector.Hypervisors, b.snapshot.HasHypervisor) {
			state.Active = false
		}
		e.FieldStart(collector.Name)
		state.Encode(e)
	}
	e.ObjEnd()
	b.collectors = s.prepare(b.snapshot.Serial)
}

func (b *Book) answerCollectors(*wire.Query, *Scratch) (Reply, bool) { return b.collectors, true }
