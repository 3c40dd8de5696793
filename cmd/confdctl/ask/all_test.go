package ask

import (
	"errors"
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	failed := errors.New("failed")
	tests := []struct {
		name     string
		opinions []opinion
		want     []state
		alike    bool
	}{
		{"one", []opinion{{key: "a"}}, []state{stateOK}, true},
		{"the same", []opinion{{key: "a"}, {key: "a"}}, []state{stateOK, stateOK}, true},
		{"behind", []opinion{{key: "a"}, {key: "a", answer: answer{serial: 1}}}, []state{stateStale, stateOK}, false},
		{"outvoted", []opinion{{key: "b"}, {key: "a"}, {key: "b"}}, []state{stateOK, stateDiffers, stateOK}, false},
		{"a tie", []opinion{{key: "b"}, {key: "a"}}, []state{stateDiffers, stateDiffers}, false},
		{"error", []opinion{{key: "b"}, {key: "a", answer: answer{err: failed}}}, []state{stateOK, stateError}, false},
		{"errors", []opinion{{key: "a", answer: answer{err: failed}}, {key: "a", answer: answer{err: failed}}}, []state{stateError, stateError}, true},
		{"other errors", []opinion{{key: "a", answer: answer{err: failed}}, {key: "b", answer: answer{err: failed}}}, []state{stateError, stateError}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compare(test.opinions)
			var got []state
			for _, o := range test.opinions {
				got = append(got, o.state)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if alike(test.opinions) != test.alike {
				t.Errorf("alike: %t", !test.alike)
			}
		})
	}
}

func TestCanonical(t *testing.T) {
	for _, text := range []string{`{"a":1.50,"b":[]}`, ` { "b" : [ ], "a" : 1.50 } `} {
		if got, want := canonical([]byte(text)), `{"a":1.50,"b":[]}`; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
