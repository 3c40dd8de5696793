package interop

import (
	"os"
	"strings"
	"testing"
	"time"
)

// everyType asks one question of each request type.
func everyType() []question {
	var questions []question
	for requestType, query := range []string{
		"null", `"node0"`, `{"1": "203.0.113.3"}`, "null", "null", "null", "null", `"node0"`, `"node1"`, `"web0"`, `"/cluster/master_ip"`, "null",
	} {
		questions = append(questions, ask1(requestType, query))
	}
	return append(questions, ask1(0, "5"), ask1(12, "null"), ask1(1, "{}"), ask1(3, `{"3": [0]}`))
}

// TestNoConfiguration is about a node that is not a master candidate, and then becomes one.
func TestNoConfiguration(t *testing.T) { besideEach(t, testNoConfiguration) }

func testNoConfiguration(t *testing.T, genuine program) {
	theirs, our := start(t, genuine, nil), start(t, ours, nil)
	compare(t, theirs, our, everyType())
	config := encode(t, production())
	for _, d := range []*daemon{theirs, our} {
		d.write(t, "config.data", config)
		await(t, d, ping, `"status":0`)
	}
	if answered := compare(t, theirs, our, everyType()); len(answered) != 12 {
		t.Errorf("not every request type was answered with status 0: %v", answered)
	}
}

// TestReplacedConfiguration covers how Ganeti writes the file: it always replaces the whole
// file.
func TestReplacedConfiguration(t *testing.T) { besideEach(t, testReplacedConfiguration) }

func testReplacedConfiguration(t *testing.T, genuine program) {
	config := production()
	first := encode(t, config)
	member(config, "cluster")["master_ip"] = "192.0.2.253"
	member(config, "cluster")["serial_no"] = 10
	second := encode(t, config)
	if len(first) == len(second) {
		t.Fatal("both configurations have the same size, so the real daemon may not notice the change")
	}
	theirs, our := start(t, genuine, first), start(t, ours, first)
	for _, step := range []struct {
		config []byte
		ip     string
	}{{second, "192.0.2.253"}, {first, "192.0.2.254"}} {
		for _, d := range []*daemon{theirs, our} {
			d.write(t, "config.data", step.config)
			await(t, d, ask1(10, `"/cluster/master_ip"`), step.ip)
		}
		compare(t, theirs, our, everyType())
	}
}

// TestBrokenConfiguration starts both daemons with a file that is not a configuration. Each
// describes the error in its own words.
func TestBrokenConfiguration(t *testing.T) { besideEach(t, testBrokenConfiguration) }

func testBrokenConfiguration(t *testing.T, genuine program) {
	for name, config := range map[string]string{
		"empty": "", "half": `{"version": 3000000, "cluster": {`, "list": "[]", "text": "not a configuration",
	} {
		t.Run(name, func(t *testing.T) {
			theirs, our := start(t, genuine, []byte(config)), start(t, ours, []byte(config))
			questions := everyType()
			wants, gots := theirs.ask(t, questions), our.ask(t, questions)
			for i, q := range questions {
				if wants[i].silent && gots[i].silent {
					continue
				}
				for d, r := range map[*daemon]reply{theirs: wants[i], our: gots[i]} {
					status, serial, answer, err := r.parse()
					text, _ := answer.(string)
					if err != nil || status != "1" || serial != "0" || !strings.HasPrefix(d.rootless(text), "Cannot load configuration from ROOT/var/lib/ganeti/config.data: ") {
						t.Errorf("%s: the %s daemon answers %v", q, d.name, r)
					}
				}
			}
			// A good file makes both answer.
			config := encode(t, production())
			for _, d := range []*daemon{theirs, our} {
				d.write(t, "config.data", config)
				await(t, d, ping, `"status":0`)
			}
		})
	}
}

// TestLostConfiguration breaks the file. The daemons differ on purpose: the real one
// forgets its configuration, ours keeps it. Then the file is removed, as on a node that is
// no longer a master candidate, and both say so.
func TestLostConfiguration(t *testing.T) { besideEach(t, testLostConfiguration) }

func testLostConfiguration(t *testing.T, genuine program) {
	config := encode(t, production())
	theirs, our := start(t, genuine, config), start(t, ours, config)
	for _, d := range []*daemon{theirs, our} {
		d.write(t, "config.data", config[:len(config)/2])
	}
	await(t, theirs, ping, "Cannot load configuration")
	if r := our.askAlone(t, ping, patience); !strings.Contains(r.text, `"status":0`) {
		t.Errorf("our daemon forgot the last good configuration: %v", r)
	}
	for _, d := range []*daemon{theirs, our} {
		if err := os.Remove(d.file("config.data")); err != nil {
			t.Fatal(err)
		}
		await(t, d, ping, "getFileStatus: does not exist")
	}
	compare(t, theirs, our, everyType())
	for _, d := range []*daemon{theirs, our} {
		d.write(t, "config.data", config)
		await(t, d, ping, `"status":0`)
	}
	compare(t, theirs, our, everyType())
}

// await asks a question until the reply contains the text.
func await(t *testing.T, d *daemon, q question, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		r := d.askAlone(t, q, time.Second)
		if strings.Contains(r.text, text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the %s daemon still says %v", d.name, r)
		}
	}
}
