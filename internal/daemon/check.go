package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"gntconfd/internal/answer/classic"
	"gntconfd/internal/cluster"
	"gntconfd/internal/ganeti"
	"gntconfd/internal/reload"
)

// Report is what Check has found, as lines of text.
type Report struct {
	// Facts describe the key and the configuration.
	Facts []string
	// Warnings are problems that do not keep the daemon from serving.
	Warnings []string
	// Errors are problems that keep the daemon from starting or answering.
	Errors []string
}

// Check reads the key and the configuration like a daemon with the same options, and
// reports on them. The report never contains the key. Only the options Config, Key and
// Dialect matter.
func Check(o Options) Report {
	o.Dialect = cmp.Or(o.Dialect, DialectAuto)
	var r Report
	if err := o.Dialect.check(); err != nil {
		r.Errors = append(r.Errors, err.Error())
		return r
	}
	r.checkKey(o.Key)
	r.checkConfig(o.Config, o.Dialect)
	return r
}

func (r *Report) checkKey(path string) {
	key, err := reload.ReadKey(path)
	if err != nil {
		fix := ": every node of a cluster must have it; " + ganeti.Redistribute
		if errors.Is(err, fs.ErrPermission) { // the error says what to do
			fix = ""
		}
		r.Errors = append(r.Errors, err.Error()+fix)
		return
	}
	fact := fmt.Sprintf("key %s: %d bytes", path, len(key))
	if info, err := os.Stat(path); err == nil {
		fact += fmt.Sprintf(", mode %04o", info.Mode().Perm())
		if mode := ganeti.KeyMode(info.Mode()); mode != info.Mode().Perm() {
			r.Warnings = append(r.Warnings, fmt.Sprintf("key file %s: mode %04o lets others read or change the key: chmod %04o %s",
				path, info.Mode().Perm(), mode, path))
		}
	}
	r.Facts = append(r.Facts, fact)
}

func (r *Report) checkConfig(path string, dialect Dialect) {
	data, err := reload.ReadConfig(path)
	var snapshot *cluster.Snapshot
	if err == nil {
		snapshot, err = cluster.Parse(data)
	}
	if err != nil {
		fix := ": " + ganeti.Redistribute
		switch {
		case errors.Is(err, fs.ErrNotExist):
			fix = ": this node is not a master candidate, so the daemon has no configuration; if it should be one" + fix
		case errors.Is(err, fs.ErrPermission): // the error says what to do
			fix = ""
		}
		r.Errors = append(r.Errors, fmt.Sprintf("configuration file %s: %v%s", path, err, fix))
		return
	}
	isClassic := dialect.isClassic(snapshot)
	answers := Dialect30
	if isClassic {
		answers = Dialect26
	}
	candidates := 0
	for _, node := range snapshot.Nodes {
		if node.Candidate {
			candidates++
		}
	}
	r.Facts = append(r.Facts,
		fmt.Sprintf("configuration %s: %d bytes, layout %d of Ganeti %d.%d", path, len(data),
			snapshot.Version, snapshot.Version/1_000_000, snapshot.Version/10_000%100),
		fmt.Sprintf("serial numbers: cluster %d, file %d", snapshot.Serial, snapshot.ConfigSerial),
		fmt.Sprintf("objects: nodes %d (master candidates %d), instances %d, disks %d, links %d",
			len(snapshot.Nodes), candidates, len(snapshot.Instances), snapshot.NumDisks(), len(snapshot.Links)),
		"dialect: answers like Ganeti "+string(answers))
	if isClassic && classic.Prepare(snapshot) == nil {
		r.Errors = append(r.Errors, fmt.Sprintf("configuration file %s: /cluster/nicparams/default is missing, "+
			"without which requests get no reply in the dialect of Ganeti 2.6: "+
			"set it with gnt-cluster modify --nic-parameters, or use --dialect 3.0, which does not need it", path))
	}
	problems := snapshot.Problems()
	for _, problem := range problems {
		r.Warnings = append(r.Warnings, fmt.Sprintf("configuration file %s: %s", path, problem))
	}
	if len(problems) > 0 {
		r.Warnings = append(r.Warnings, "the configuration comes from the master: run gnt-cluster verify there for a full check")
	}
}
