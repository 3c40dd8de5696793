package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gntconfd/internal/testing/lacking"
)

const cfgupgrade = "/usr/share/ganeti/3.0/cfgupgrade"

// lines are the releases with a configuration layout of their own, except for 3.1, which
// cfgupgrade of 3.0 rejects as too new.
var lines = []string{"2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12", "2.13", "2.14", "2.15", "2.16", "3.0"}

func configurationOf(t *testing.T, line string) []byte {
	t.Helper()
	config, err := os.ReadFile(filepath.Join("../../../spec/vectors/configs", "release-"+line+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestReleases compares our daemon's answers from each release's own configuration with the
// real daemon's answers after Ganeti's cfgupgrade.
func TestReleases(t *testing.T) {
	need(t, cfgupgrade)
	if os.Getuid() != 0 {
		lacking.Skip(t, "cfgupgrade gives the files to Ganeti's users, which takes root")
	}
	pair := newCertificate(t)
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			original := configurationOf(t, line)
			config := decode(t, original)
			if version := config["version"].(float64); version < 2070000 {
				// Until 2.6 answers are in another dialect. The other tests cover the
				// layout.
				config["version"] = 2070000.0
				original = encode(t, config)
			}
			our := start(t, ours, original)
			upgraded := upgrade(t, config, pair)
			reconcile(t, our, decode(t, original), upgraded)
			besideEach(t, func(t *testing.T, genuine program) {
				theirs := start(t, genuine, encode(t, upgraded))
				if status, _, answer, err := theirs.askAlone(t, ping, patience).parse(); err != nil || status != "0" {
					t.Fatalf("the real daemon does not load what cfgupgrade made: %v", answer)
				}
				questions := append(about(upgraded), pointers(t, theirs, upgraded)...)
				answered := compare(t, theirs, our, questions)
				for requestType := range 12 {
					// TestQuestions covers the types without parameters.
					if n := fmt.Sprint(requestType); answered[n] == 0 && !slices.Contains([]string{"0", "3", "4", "5", "11"}, n) {
						t.Errorf("no question of type %d was answered with status 0", requestType)
					}
				}
				compare(t, theirs, our, everyType())
			})
		})
	}
	t.Run("3.1", func(t *testing.T) {
		besideEach(t, func(t *testing.T, genuine program) { beside(t, genuine, configurationOf(t, "3.1"), everyType()...) })
	})
}

// newCertificate returns a key and a self-signed certificate, so that cfgupgrade need not
// generate its own.
func newCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hostname}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
}

// upgrade converts a configuration to the layout of 3.0 with cfgupgrade. What cfgupgrade
// cannot handle is fixed first.
func upgrade(t *testing.T, config map[string]any, pair []byte) map[string]any {
	t.Helper()
	if _, ok := config["nodegroups"]; !ok { // until 2.2
		config["nodegroups"] = object{}
	}
	for _, instance := range member(config, "instances") {
		for _, nic := range instance.(object)["nics"].([]any) {
			if bridge, ok := nic.(object)["bridge"]; ok { // until 2.1
				delete(nic.(object), "bridge")
				nic.(object)["nicparams"] = object{"mode": "bridged", "link": bridge}
			}
		}
	}
	for key, disk := range member(config, "disks") { // child disks had no UUID until 2.15
		for i, child := range children(disk) {
			if _, ok := child["uuid"]; !ok {
				child["uuid"] = fmt.Sprintf("part %d of %s", i, key)
			}
		}
	}

	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"config.data": encode(t, config), "server.pem": pair, "rapi.pem": pair, "spice.pem": pair, "spice-ca.pem": pair,
		"known_hosts": nil, "hmac.key": []byte("key"), "cluster-domain-secret": []byte("secret"), "ssconf_master_node": []byte(hostname + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(cfgupgrade, "--path="+dir, "--confdir="+dir, "--force", "--ignore-hostname", "--verbose").CombinedOutput()
	if err != nil {
		t.Fatalf("cfgupgrade: %v\n%s", err, out)
	}
	upgraded, err := os.ReadFile(filepath.Join(dir, "config.data"))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, upgraded)
}

// children returns the child disks of a disk.
func children(disk any) []object {
	list, _ := disk.(object)["children"].([]any)
	out := make([]object, len(list))
	for i, child := range list {
		out[i] = child.(object)
	}
	return out
}

// reconcile removes from an upgraded configuration what does not matter: values that differ
// with every run of cfgupgrade, that describe the upgrade itself, or that Ganeti's
// configuration writer added from defaults in its code.
func reconcile(t *testing.T, our *daemon, original, upgraded map[string]any) {
	t.Helper()
	// The file says that it was upgraded.
	for _, name := range []string{"version", "serial_no", "ctime", "mtime"} {
		upgraded[name] = original[name]
	}
	// Each hypervisor parameter of 3.0 was added.
	cluster := member(upgraded, "cluster")
	cluster["hvparams"] = member(original, "cluster")["hvparams"]
	// The values of private parameters, which exist since 2.12, were lost.
	for os, private := range member(member(original, "cluster"), "osparams_private_cluster") {
		member(cluster, "osparams_private_cluster")[os] = private
	}
	for key, instance := range member(original, "instances") {
		if private, ok := instance.(object)["osparams_private"]; ok {
			member(upgraded, "instances")[key].(object)["osparams_private"] = private
		}
	}
	reorder(t, our, "/cluster/ipolicy/disk-templates", member(cluster, "ipolicy"), "disk-templates")

	uuids := invented{original: string(encode(t, original)), ours: make(map[string]string)}
	if _, ok := original["nodegroups"]; !ok { // until 2.2: a node group was created
		cluster["serial_no"] = member(original, "cluster")["serial_no"]
		for uuid, group := range member(upgraded, "nodegroups") {
			delete(group.(object), "ctime")
			delete(group.(object), "mtime")
			uuids.pair(t, uuid, keys(ask10(t, our, "/nodegroups").(object))[0])
		}
	}
	for key, group := range member(upgraded, "nodegroups") {
		if policy := member(group, "ipolicy"); policy["disk-templates"] != nil {
			reorder(t, our, "/nodegroups/"+key+"/ipolicy/disk-templates", policy, "disk-templates")
		}
	}
	for key, instance := range member(upgraded, "instances") {
		theirs, ours := instance.(object), ask10(t, our, "/instances/"+key).(object)
		for i, nic := range theirs["nics"].([]any) {
			uuids.pair(t, text(nic, "uuid"), text(ours["nics"].([]any)[i], "uuid"))
		}
		for i, disk := range theirs["disks"].([]any) {
			key := ours["disks"].([]any)[i].(string)
			uuids.pair(t, disk.(string), key)
			theirs, ours := member(upgraded, "disks")[disk.(string)].(object), ask10(t, our, "/disks/"+key).(object)
			sortStrings(theirs["nodes"]) // a Python set
			for j, part := range children(theirs) {
				sortStrings(part["nodes"])
				ours := children(ours)[j]
				uuids.pair(t, text(part, "uuid"), text(ours, "uuid"))
				for _, stamp := range []string{"ctime", "mtime"} {
					if made, _ := part[stamp].(float64); made > beginning {
						part[stamp] = ours[stamp] // until 2.13: the time of the upgrade
					}
				}
			}
		}
	}
	uuids.rename(t, upgraded)
}

// beginning is when the tests began, in seconds since 1970.
var beginning = float64(time.Now().Unix())

// invented maps the UUIDs that cfgupgrade generated to those that our daemon derives.
type invented struct {
	original string
	ours     map[string]string
}

func (v *invented) pair(t *testing.T, theirs, ours string) {
	t.Helper()
	if theirs == ours {
		return
	}
	if strings.Contains(v.original, theirs) {
		t.Errorf("UUID %s has become %s", theirs, ours)
	}
	v.ours[theirs] = ours
}

// rename replaces their UUIDs with ours, including keys of objects.
func (v *invented) rename(t *testing.T, config map[string]any) {
	t.Helper()
	var pairs []string
	for theirs, ours := range v.ours {
		pairs = append(pairs, quote(theirs), quote(ours))
	}
	renamed := strings.NewReplacer(pairs...).Replace(string(encode(t, config)))
	clear(config)
	if err := json.Unmarshal([]byte(renamed), &config); err != nil {
		t.Fatal(err)
	}
}

// ask10 returns a daemon's answer for a pointer.
func ask10(t *testing.T, d *daemon, pointer string) any {
	t.Helper()
	r := d.askAlone(t, ask1(10, quote(pointer)), patience)
	var inner struct {
		Status int
		Answer any
	}
	if err := json.Unmarshal([]byte(r.text), &inner); err != nil || inner.Status != 0 {
		t.Fatalf("%s: the %s daemon answers %v", pointer, d.name, r)
	}
	return inner.Answer
}

// reorder sorts a list that went through a Python set into our daemon's order.
func reorder(t *testing.T, our *daemon, pointer string, parent map[string]any, name string) {
	t.Helper()
	theirs, ours := parent[name].([]any), ask10(t, our, pointer).([]any)
	if fmt.Sprint(sortStrings(slices.Clone(theirs))) == fmt.Sprint(sortStrings(slices.Clone(ours))) {
		parent[name] = ours
	}
}

// sortStrings sorts a list of strings in place.
func sortStrings(list any) any {
	if list, ok := list.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	}
	return list
}
