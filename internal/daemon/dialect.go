package daemon

import (
	"fmt"
	"log/slog"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/answer/classic"
	"gntconfd/internal/cluster"
	"gntconfd/internal/reload"
	"gntconfd/internal/server"
)

// Dialect is a generation of Ganeti's own daemon, by its release: spec/README.md
// tells how they differ.
type Dialect string

const (
	// DialectAuto: a configuration of Ganeti 2.6 or before is answered as its
	// daemon does, any other as that of 3.0. Where there is none, the last one
	// decides, and 3.0 before there was any.
	DialectAuto Dialect = "auto"
	// Dialect26: as the Python daemon of Ganeti 2.6, which meets everything with
	// silence while it has no configuration.
	Dialect26 Dialect = "2.6"
	// Dialect30: as the daemon of Ganeti 3.0.
	Dialect30 Dialect = "3.0"
)

// check returns an error unless there is the dialect.
func (d Dialect) check() error {
	switch d {
	case DialectAuto, Dialect26, Dialect30:
		return nil
	}
	return fmt.Errorf("there is no dialect %q: choose %s, %s or %s", d, DialectAuto, Dialect26, Dialect30)
}

// isClassic reports whether a configuration is answered in the dialect of Ganeti 2.6.
func (d Dialect) isClassic(s *cluster.Snapshot) bool {
	return d == Dialect26 || d == DialectAuto && s.Version < wire.ModernVersion
}

// speaker makes the server answer from the configuration in one dialect.
type speaker struct {
	server  *server.Server
	dialect Dialect
	classic bool              // whether it speaks the dialect of Ganeti 2.6
	serving *cluster.Snapshot // what the server answers from, nil when from none
	book    *answer.Book      // what the server answers from, nil when that is none or of 2.6
	logger  *slog.Logger
}

func newSpeaker(s *server.Server, dialect Dialect, logger *slog.Logger) *speaker {
	return &speaker{server: s, dialect: dialect, classic: dialect == Dialect26, logger: logger}
}

// setState makes the server answer from a state.
func (p *speaker) setState(state reload.State) {
	if state.Snapshot != nil && state.Snapshot == p.serving {
		return
	}
	p.serving = state.Snapshot
	former := p.book
	p.book = nil
	if state.Snapshot != nil {
		p.classic = p.dialect.isClassic(state.Snapshot)
	}
	switch {
	case !p.classic && state.Snapshot == nil:
		p.server.SetResponder(answer.Unavailable(state.Problem))
	case !p.classic:
		p.book = answer.PrepareNext(former, state.Snapshot)
		p.server.SetResponder(p.book)
	case state.Snapshot == nil:
		p.server.SetResponder(nil)
	default:
		book := classic.Prepare(state.Snapshot)
		if book == nil {
			p.logger.Warn("requests are met with silence: the configuration lacks cluster/nicparams/default")
			p.server.SetResponder(nil)
			return
		}
		p.server.SetResponder(book)
	}
}
