// Package process is what makes a program a daemon of Ganeti's kind: it detaches
// from the terminal, holds a locked pid file, runs as a certain user, gives up
// the rights that it does not need, and reports to a service manager.
package process
