package interop

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gntconfd/internal/sample"
	"gntconfd/spec/vectors"
)

// beside compares our daemon with the real one on a configuration.
func beside(t *testing.T, config []byte, extra ...question) (answered map[string]int) {
	t.Helper()
	need(t, genuine.path)
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

func TestScenarios(t *testing.T) {
	for name, scenario := range scenarios {
		t.Run(name, func(t *testing.T) {
			beside(t, encode(t, scenario()))
		})
	}
}

// TestConfigurations compares the daemons on the sample cluster and on those
// configurations of the conformance vectors that the real daemon loads.
func TestConfigurations(t *testing.T) {
	t.Run("sample", func(t *testing.T) { beside(t, sample.Config) })
	for _, name := range []string{"dangling-master", "latin-1", "long-name", "no-default-link", "odd", "rich", "small"} {
		t.Run(name, func(t *testing.T) {
			config, err := vectors.Files.ReadFile("configs/" + name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			beside(t, config)
		})
	}
}

func TestRandomClusters(t *testing.T) {
	for n := range uint64(*clusters) {
		t.Run(fmt.Sprintf("seed %d", *seed+n), func(t *testing.T) {
			beside(t, encode(t, dice{rand.New(rand.NewPCG(*seed+n, 0))}.config()))
		})
	}
}

// TestQuestions asks for everything in every form, the bad ones included.
func TestQuestions(t *testing.T) {
	extra := general("web1.example.com", "203.0.113.3", "br0")
	answered := beside(t, encode(t, production()), extra...)
	for requestType := range 12 {
		if answered[fmt.Sprint(requestType)] == 0 {
			t.Errorf("no question of type %d was answered with status 0", requestType)
		}
	}
}
