package day

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"gntconfd/internal/sample"
)

// record lets the day happen.
func (d *day) record() {
	master, second, third := d.candidates[0], d.candidates[1], d.candidates[2]
	d.document.WriteString(`# An operator's day

This is what one sees of gntconfd and of confdctl in a day, from installing it to going back. It is
recorded, not written: ` + "`UPDATE_SCRIPTS=1 go test ./internal/testing/day`" + ` makes this file, and the
test compares it. dpkg, Ganeti's daemon and ` + "`daemon-util`" + ` are those of Debian 12, in a copy of a
machine, and the daemons of the other candidates run beside them. No Ganeti cluster runs there:
where Ganeti's commands would change something, as the text says, the recording writes the files
that they write. Times stand for others, and dpkg's lines about its database are left out.

The same day is recorded on terminals of 80 columns, as here, and of 120, without and with colours
(show these with ` + "`cat`" + `), in this small cluster and in one of 200 nodes and 10,000 instances:

| cluster | 80 columns | 120 columns |
|---|---|---|
| small | [text](day/small-80.txt), [coloured](day/small-80.ansi) | [text](day/small-120.txt), [coloured](day/small-120.ansi) |
| large | [text](day/large-80.txt), [coloured](day/large-80.ansi) | [text](day/large-120.txt), [coloured](day/large-120.ansi) |

`)
	d.say("## Install it\n\nGaneti's own daemon runs on node1, the master, and keeps running until ours takes over.")
	options := fmt.Sprintf("CONFD_ARGS=\"-b %s\"\n", master.ip)
	if err := os.WriteFile("/etc/default/ganeti", []byte(options), 0o644); err != nil {
		d.t.Fatal(err)
	}
	run(d.t, "/usr/lib/ganeti/daemon-util", "start", "ganeti-confd")
	d.once("ganeti-confd --version | head -n 1")
	d.once("dpkg -i gntconfd_1.0.deb")
	d.serve()
	d.ask(master, "ganeti-confd --version | head -n 1", "gntconfd")

	d.say("## Check it\n\nThe other three candidates have got the package, too. The first command is for Nagios and the like.")
	d.ask(master, "confdctl check --server "+master.ip, "^CONFD OK")
	d.ask(master, "confdctl status", "4 ok(.|\n)*node1.*\n.*node(.|\n)*node")
	d.ask(master, "confdctl candidates", "node1.*\n.*node.*\n.*node.*\n.*node")

	d.say("## Watch a migration\n\nAn instance moves to the node that has the other half of its disk, as by `gnt-instance migrate`;\n`^C` ends the watching.")
	d.migration(master)

	short := strings.TrimSuffix(d.drained, ".example.org")
	d.say(fmt.Sprintf("## Drain a node\n\n%s is to be emptied.", short))
	d.ask(master, "confdctl role "+short, "^regular")
	d.say(fmt.Sprintf("After `gnt-node modify --drained=yes %s`:", short))
	d.find("nodes", d.drained)["drained"] = true
	d.distribute()
	d.ask(master, "confdctl role "+short, "^drained")
	if !d.large {
		d.ask(master, "confdctl nodes --output wide", "drained(.|\n)*drained")
	}

	d.say(fmt.Sprintf("## Find a wrong key\n\n%s comes back from a repair with the key of another cluster. It is silent: the protocol gives\nno reply to a request that does not verify.", third.short()))
	d.write(third, "hmac.key", []byte("the key of another cluster\n"))
	d.restart(third) // as it would verify with the former key for five minutes
	d.ask(master, "confdctl status", "1 silent(.|\n)*node1.*\n.*node2")
	d.ask(master, "confdctl ping --server "+third.ip, "no reply")
	d.ask(master, "sha256sum /var/lib/ganeti/hmac.key", "hmac.key")
	d.ask(third, "sha256sum "+d.root(third)+"/var/lib/ganeti/hmac.key", "hmac.key")
	d.say("The sums differ. `gnt-cluster redist-conf` on the master copies the right key there.")
	d.write(third, "hmac.key", sample.Key)
	d.ask(master, "confdctl status", "4 ok(.|\n)*node1.*\n.*node(.|\n)*node")

	d.say(fmt.Sprintf("## Find and mend a broken file\n\nThe disk of %s is full while Ganeti copies the next change there: half of the file arrives.", second.short()))
	text := d.text()
	for _, n := range d.candidates {
		if n == second {
			d.write(n, "config.data", text[:len(text)/2])
		} else {
			d.write(n, "config.data", text)
		}
	}
	d.ask(master, "confdctl status", "1 stale(.|\n)*node1.*\n.*node(.|\n)*node")
	d.ask(master, "confdctl check --all", "^CONFD WARNING")
	d.say(fmt.Sprintf("The daemon of %s goes on with the last good file. There, it says what is wrong with the new one:", second.short()))
	d.ask(second, "ganeti-confd --check-config", "config.data")
	d.say("With room on the disk again, `gnt-cluster redist-conf` copies the file once more.")
	d.distribute()
	d.ask(master, "confdctl check --all", "^CONFD OK")
	d.ask(second, "ganeti-confd --check-config --no-user-checks", "config.data")

	d.say("## Go back\n\nWill Ganeti's own daemon load the file? Then the package can go; Ganeti's daemon is put back, and\nrestarted if ours ran.")
	d.ask(master, "confdctl validate", ".")
	d.once("dpkg -r gntconfd")
	d.ask(master, "ganeti-confd --version | head -n 1", "ganeti\\)")
	d.say("The other candidates still have the package. Seen from one of them:")
	d.ask(second, "confdctl status", "4 ok(.|\n)*node1.*\n.*node(.|\n)*node")
	run(d.t, "/usr/lib/ganeti/daemon-util", "stop", "ganeti-confd")
}

// migration records how an instance is watched that moves.
func (d *day) migration(master node) {
	line := "confdctl watch locate " + d.ip + " --interval 200ms"
	i := d.find("instances", d.instance)
	from, to := i["primary_node"].(string), d.otherEnd(i)
	nodes := d.object("nodes")
	name := func(uuid string) string { return nodes[uuid].(map[string]any)["name"].(string) }
	type watching struct {
		*session
		width    int
		coloured bool
	}
	var all []watching
	for _, width := range widths {
		for _, coloured := range []bool{false, true} {
			w := watching{d.start(master, line, width, coloured), width, coloured}
			w.await(name(from))
			all = append(all, w)
		}
	}
	i["primary_node"] = to
	d.distribute()
	for _, w := range all {
		w.await(name(to))
		if err := w.command.Process.Signal(syscall.SIGINT); err != nil {
			d.t.Error(err)
		}
		d.writeShown(w.width, w.coloured, "node1# "+line, w.end()+"^C\n")
	}
}

// otherEnd returns the UUID of the other node with an instance's DRBD disk.
func (d *day) otherEnd(i map[string]any) string {
	for _, uuid := range i["disks"].([]any) {
		disk := d.object("disks")[uuid.(string)].(map[string]any)
		if disk["dev_type"] != "drbd" {
			continue
		}
		for _, end := range disk["logical_id"].([]any)[:2] {
			if end != i["primary_node"] {
				return end.(string)
			}
		}
	}
	return ""
}

// pickInstance takes the first instance, by name, that can migrate and has an address on
// the default link.
func (d *day) pickInstance() {
	for _, name := range slices.Sorted(slices.Values(d.instances)) {
		i := d.find("instances", name)
		nics := i["nics"].([]any)
		if len(nics) == 0 || d.otherEnd(i) == "" {
			continue
		}
		nic := nics[0].(map[string]any)
		if ip, ok := nic["ip"].(string); ok && nic["nicparams"].(map[string]any)["link"] == nil {
			d.instance, d.ip = name, ip
			return
		}
	}
	d.t.Fatal("no instance can migrate")
}
