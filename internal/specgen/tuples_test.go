package main

import "testing"

func TestTuples(t *testing.T) {
	const schema = `{"definitions": {
		"Pair": {"items": [{"x-confd-name": "node_ip", "type": "string"}, {"x-confd-name": "serial"}]},
		"Other": {"items": [{"type": "string"}]},
		"List": {"items": {"type": "string"}}}}`
	const code = `package p

// Pair is a pair.
type Pair struct {
	V0 PairV0
	V1 int
}

// GetV0 returns the value of V0.
func (s *Pair) GetV0() PairV0 {
	return s.V0
}

// PairV0 represents sum type.
type PairV0 struct{ Type PairV0Type }

type PairV0Type string

const StringPairV0 PairV0Type = "string"

func NewStringPairV0() PairV0 { return PairV0{} }

type Other struct {
	V0 string
}
`
	const want = `package p

// Pair is a pair.
type Pair struct {
	NodeIP PairNodeIP
	Serial int
}

// GetNodeIP returns the value of NodeIP.
func (s *Pair) GetNodeIP() PairNodeIP {
	return s.NodeIP
}

// PairNodeIP represents sum type.
type PairNodeIP struct{ Type PairNodeIPType }

type PairNodeIPType string

const StringPairNodeIP PairNodeIPType = "string"

func NewStringPairNodeIP() PairNodeIP { return PairNodeIP{} }

type Other struct {
	V0 string
}
`
	got, err := tuples([]byte(schema), []byte(code))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again, err := tuples([]byte(schema), got); err != nil || string(again) != want {
		t.Errorf("a second time: %v\n%s", err, again)
	}
}
