package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gntconfd/internal/sample"
)

// A sound configuration has no problems, whichever release wrote it.
func TestNoProblems(t *testing.T) {
	configs := map[string][]byte{"sample": sample.Config, "root": []byte(root(`,"nodes":{` + node("n1", "a") + `}`))}
	files, err := filepath.Glob("../../spec/vectors/configs/release-*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if configs[file], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range configs {
		s, err := Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, problem := range s.Problems() {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

func TestProblems(t *testing.T) {
	nodes := func(more string) string {
		return `,"nodes":{` + node("n1", "a") + more + `}`
	}
	instance := func(key, members string) string {
		return `"` + key + `":{"uuid":"` + key + `","serial_no":1,"name":"www","primary_node":"n1"` + members + `}`
	}
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"no master": {
			root(``),
			[]string{`/cluster/master_node: there is no node "n1", so that nobody is known to be master`},
		},
		"no default link": {
			strings.Replace(root(nodes(``)+`,"instances":{`+instance("i1", `,"nics":[{"ip":"192.0.2.7","nicparams":{}},{"ip":"192.0.2.7","nicparams":{}}]`)+`}`),
				`"default":`, `"other":`, 1),
			[]string{`/cluster/nicparams/default: is missing, so that no address of an instance is known`},
		},
		"node twice": {
			root(nodes("," + node("n~/2", "a"))),
			[]string{
				`/nodes/n~0~12/name: node n1 is also called "a", which leads to one of them only`,
				`/nodes/n~0~12/primary_ip: node a also has the address 192.0.2.1`,
			},
		},
		"disk without node": {
			root(nodes(``) + `,"disks":{"d1":{"dev_type":"plain","children":[{"dev_type":"drbd","logical_id":["n1","n8",11000,0,1,"s"]}]},` +
				`"d2":{"dev_type":"drbd","logical_id":["n9","n9",11001,2,3,"s"]}}`),
			[]string{
				`/disks/d1/logical_id: there is no node "n8", which is to have one end of it`,
				`/disks/d2/logical_id: there is no node "n9", which is to have one end of it`,
			},
		},
		"instance without node and disk": {
			root(nodes(``) + `,"instances":{` + strings.Replace(instance("i1", `,"disks":["d0","d1"]`), `"n1"`, `"n9"`, 1) + `},` +
				`"disks":{"d0":{"dev_type":"plain"}}`),
			[]string{
				`/instances/i1/primary_node: there is no node "n9", so that the instance's addresses lead nowhere`,
				`/instances/i1/disks/1: there is no disk "d1", so that a question for the disks gets an error, and DRBD minors are left out`,
			},
		},
		"instance twice": {
			root(nodes(``) + `,"instances":{` +
				instance("i1", `,"nics":[{"ip":"192.0.2.7","nicparams":{}},{"ip":"","nicparams":{}},{"ip":"192.0.2.8","nicparams":{}}]`) + "," +
				instance("i2", `,"nics":[{"ip":"192.0.2.7","nicparams":{"link":"br0"}},{"ip":"","nicparams":{}},{"ip":"192.0.2.8","nicparams":{"link":"br1"}}]`) + `}`),
			[]string{
				`/instances/i2/name: instance i1 is also called "www", which leads to one of them only`,
				`/instances/i2/nics: instance www also has the address 192.0.2.7 on link "br0"; the last of them counts`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, s.Problems()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// A long name that is in many problems does not multiply.
func TestProblemsAreShort(t *testing.T) {
	long := strings.Repeat("long", 50_000)
	var objects strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&objects, `,"i%d":{"uuid":"i%d","serial_no":1,"name":%q,"primary_node":"n1","nics":[{"ip":"192.0.2.7","nicparams":{}},{"ip":"192.0.2.8","nicparams":{"link":"br7"}}]}`, i, i, "www")
	}
	text := strings.Replace(root(`,"instances":{"`+long+`":{"uuid":"x","serial_no":1,"name":"www","primary_node":"n1","disks":["`+
		strings.Repeat(`d","`, 1000)+`d"]}`+objects.String()+`}`), `"link":"br0"`, `"link":"`+long+`"`, 1)
	if !strings.Contains(text, `"link":"long`) {
		t.Fatal("the default link has another name")
	}
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	problems := s.Problems()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 20_000*uint64(len(problems)) {
		t.Errorf("%d bytes allocated for %d problems", got, len(problems))
	}
	if len(problems) != maxProblems+1 || !strings.Contains(problems[maxProblems], "more problems") {
		t.Errorf("%d problems, want %d and how many more", len(problems), maxProblems)
	}
	for _, problem := range problems {
		if len(problem) > 1000 {
			t.Fatalf("a problem of %d bytes: %.300s", len(problem), problem)
		}
	}
}

// The versions of 2.1 to 3.1 are those of Ganeti.
func TestVersions(t *testing.T) {
	for version, known := range map[int64]bool{2_009_999: false, 2_010_000: true, 3_010_000: true, 3_999_999: true, 4_000_000: false} {
		s := &Snapshot{Version: version}
		if got := !strings.HasPrefix(s.Problems()[0], "/version"); got != known {
			t.Errorf("version %d is known: %v", version, got)
		}
	}
}

func TestShortNames(t *testing.T) {
	name := strings.Repeat("n", 200)
	for text, want := range map[string]string{name: name, name + "n": name + "...", name[1:] + "é": name[1:] + "..."} {
		if got := short(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
