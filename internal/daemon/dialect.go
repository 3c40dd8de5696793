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

// Dialect is the dialect of a generation of Ganeti's own daemon, by its release.
// spec/README.md describes the differences.
type Dialect string

const (
	// DialectAuto: a configuration of Ganeti 2.6 or before is answered like its daemon did,
	// any other like 3.0. Without a configuration the last one decides; before the first
	// one, it is 3.0.
	DialectAuto Dialect = "auto"
	// Dialect26: like the Python daemon of Ganeti 2.6, which does not reply while it has no
	// configuration.
	Dialect26 Dialect = "2.6"
	// Dialect30: like the daemon of Ganeti 3.0.
	Dialect30 Dialect = "3.0"
)

// check returns an error if the dialect is unknown.
func (d Dialect) check() error {
	switch d {
	case DialectAuto, Dialect26, Dialect30:
		return nil
	}
	return fmt.Errorf("unknown dialect %q: choose %s, %s or %s", d, DialectAuto, Dialect26, Dialect30)
}

// isClassic reports whether a configuration is answered in the dialect of Ganeti 2.6.
func (d Dialect) isClassic(s *cluster.Snapshot) bool {
	return d == Dialect26 || d == DialectAuto && s.Version < wire.ModernVersion
}

// speaker makes the server answer from the configuration in one dialect.
type speaker struct {
	server  *server.Server
	dialect Dialect
	classic bool              // whether the server speaks the dialect of Ganeti 2.6
	serving *cluster.Snapshot // the snapshot in service, or nil
	book    *answer.Book      // what the server answers from, or nil, as in the dialect of 2.6
	logger  *slog.Logger
}

func newSpeaker(s *server.Server, dialect Dialect, logger *slog.Logger) *speaker {
	return &speaker{server: s, dialect: dialect, classic: dialect == Dialect26, logger: logger}
}

// setState makes the server answer from a new state.
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
			p.logger.Warn("requests get no reply: the configuration lacks cluster/nicparams/default")
			p.server.SetResponder(nil)
			return
		}
		p.server.SetResponder(book)
	}
}
