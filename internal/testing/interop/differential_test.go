package interop

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gntconfd/internal/sample"
	"gntconfd/spec/vectors"
)

// beside compares our daemon with a real one on a configuration.
func beside(t *testing.T, genuine program, config []byte, extra ...question) (answered map[string]int) {
	t.Helper()
	theirs, our := start(t, genuine, config), start(t, ours, config)
	for _, d := range []*daemon{theirs, our} {
		r := d.askAlone(t, ping, patience)
		if status, _, answer, err := r.parse(); err != nil || status != "0" {
			t.Fatalf("the %s daemon does not load this configuration: %v", d.name, answer)
		}
	}
	document := decode(t, config)
	questions := append(extra, about(document)...)
	questions = append(questions, pointers(t, theirs, document)...)
	return compare(t, theirs, our, questions)
}

func TestScenarios(t *testing.T) { besideEach(t, testScenarios) }

func testScenarios(t *testing.T, genuine program) {
	for name, scenario := range scenarios {
		t.Run(name, func(t *testing.T) {
			beside(t, genuine, encode(t, scenario()))
		})
	}
}

// TestConfigurations compares the daemons on the sample cluster and on those configurations
// of the conformance vectors that the real daemon loads.
func TestConfigurations(t *testing.T) { besideEach(t, testConfigurations) }

func testConfigurations(t *testing.T, genuine program) {
	t.Run("sample", func(t *testing.T) { beside(t, genuine, sample.Config) })
	for _, name := range []string{"dangling-master", "latin-1", "long-name", "no-default-link", "odd", "rich", "small"} {
		t.Run(name, func(t *testing.T) {
			config, err := vectors.Files.ReadFile("configs/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			beside(t, genuine, config)
		})
	}
}

func TestRandomClusters(t *testing.T) { besideEach(t, testRandomClusters) }

func testRandomClusters(t *testing.T, genuine program) {
	for n := range uint64(*clusters) {
		t.Run(fmt.Sprintf("seed %d", *seed+n), func(t *testing.T) {
			beside(t, genuine, encode(t, dice{rand.New(rand.NewPCG(*seed+n, 0))}.config()))
		})
	}
}

// TestQuestions asks for everything in every form, including invalid ones.
func TestQuestions(t *testing.T) { besideEach(t, testQuestions) }

func testQuestions(t *testing.T, genuine program) {
	extra := general("web1.example.com", "203.0.113.3", "br0")
	answered := beside(t, genuine, encode(t, production()), extra...)
	for requestType := range 12 {
		if answered[fmt.Sprint(requestType)] == 0 {
			t.Errorf("no question of type %d was answered with status 0", requestType)
		}
	}
}
