// Package process makes a program a daemon like Ganeti's: it detaches from the terminal,
// holds a locked pid file, runs as a certain user, drops privileges that it does not need,
// and reports to systemd.
package process
