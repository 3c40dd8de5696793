package cluster

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"gntconfd/internal/jsontext"
	"gntconfd/internal/sample"
)

// Every member and element of the sample and of an older release's file, at every depth,
// is left out and mistyped: if the file is refused, the error names the place.
func TestFaultsAreWhereTheyAreNamed(t *testing.T) {
	older, err := os.ReadFile("../../spec/vectors/configs/release-2.5.json")
	if err != nil {
		t.Fatal(err)
	}
	wrong := []json.RawMessage{[]byte(`null`), []byte(`7`), []byte(`"text"`), []byte(`{"x":[1]}`)}
	for name, text := range map[string][]byte{"sample": sample.Config, "2.5": older} {
		refused := 0
		judge := func(what, place string, text []byte, inside bool) {
			_, err := Parse(text)
			if err == nil {
				return
			}
			refused++
			rest, found := strings.CutPrefix(err.Error(), "parsing configuration: "+place)
			// With another version the file would be all right.
			found = found || strings.Contains(err.Error(), "but "+place+" is")
			// What is wrong with a value may be what is in it.
			if !found || place != "/version" && !strings.HasPrefix(rest, ": ") && !(inside && strings.HasPrefix(rest, "/")) && place != "" {
				t.Errorf("%s: %s %s: %v", name, what, place, err)
			}
		}
		kinds := make(map[string]int)
		for _, place := range placesIn(t, text) {
			kind := kindOfPlace(place)
			if kinds[kind]++; kinds[kind] > 1 {
				continue // one of each kind will do
			}
			parent := place[:strings.LastIndexByte(place, '/')]
			if without, ok := replaced(t, text, place, nil); ok {
				judge("without", parent, without, false)
			}
			for _, value := range wrong {
				with, _ := replaced(t, text, place, value)
				judge("with "+string(value)+" at", place, with, true)
			}
		}
		if refused < 150 {
			t.Errorf("%s: only %d files were refused", name, refused)
		}
	}
}

// kindOfPlace returns a place without the keys of objects and the positions in lists.
func kindOfPlace(place string) string {
	tokens := strings.Split(place, "/")
	for i, token := range tokens {
		_, err := strconv.Atoi(token)
		if err == nil || i == 2 && tokens[1] != "cluster" {
			tokens[i] = "*"
		}
	}
	return strings.Join(tokens, "/")
}

// placesIn returns the pointers to all values in a text but the whole.
func placesIn(t *testing.T, text []byte) []string {
	t.Helper()
	var places []string
	var visit func(value any, place string)
	visit = func(value any, place string) {
		if place != "" {
			places = append(places, place)
		}
		switch value := value.(type) {
		case map[string]any:
			for name, member := range value {
				visit(member, place+"/"+jsontext.EscapeToken(name))
			}
		case []any:
			for i, element := range value {
				visit(element, place+"/"+strconv.Itoa(i))
			}
		}
	}
	visit(unmarshal(t, text), "")
	return places
}

func unmarshal(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// replaced returns a text with another value at a place, or without the member that is
// there. It is false for an element of a list, which is not left out.
func replaced(t *testing.T, text []byte, place string, with json.RawMessage) ([]byte, bool) {
	t.Helper()
	tokens, err := jsontext.ParsePointer(place)
	if err != nil {
		t.Fatal(err)
	}
	whole := unmarshal(t, text)
	value, last := whole, tokens[len(tokens)-1]
	for _, token := range tokens[:len(tokens)-1] {
		switch in := value.(type) {
		case map[string]any:
			value = in[token]
		case []any:
			i, _ := strconv.Atoi(token)
			value = in[i]
		}
	}
	switch in := value.(type) {
	case map[string]any:
		if in[last] = with; with == nil {
			delete(in, last)
		}
	case []any:
		if with == nil {
			return nil, false
		}
		i, _ := strconv.Atoi(last)
		in[i] = with
	}
	changed, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return changed, true
}

// A file with another version than that of its layout is told what fits.
func TestOlderFileOfANewerVersion(t *testing.T) {
	text, err := os.ReadFile("../../spec/vectors/configs/release-2.10.json")
	if err != nil {
		t.Fatal(err)
	}
	newer, _ := replaced(t, text, "/version", []byte("3000000"))
	_, err = Parse(newer)
	if err == nil || !strings.Contains(err.Error(), "/disks/0: unexpected object: ") || !strings.HasSuffix(err.Error(), "but /version is 3000000") {
		t.Error(err)
	}
}

// The last member of an object is named, however short its value.
func TestLastMemberIsNamed(t *testing.T) {
	for _, value := range []string{"7", "{}", "[]", `""`, "12 ", "null"} {
		text := root(`,"nodes":{"n":{"uuid":"n","name":"a","primary_ip":"1","serial_no":1,"master_candidate":true,"drained":false,"offline":` + value + `}}`)
		_, err := Parse([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), "parsing configuration: /nodes/n/offline: ") {
			t.Errorf("%s: %v", value, err)
		}
	}
}
