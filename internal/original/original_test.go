package original

import (
	"bytes"
	"strings"
	"testing"

	"gntconfd/internal/sample"
)

func TestCheck(t *testing.T) {
	replaced := func(before, after string) []byte {
		text := bytes.Replace(sample.Config, []byte(before), []byte(after), 1)
		if bytes.Equal(text, sample.Config) {
			t.Fatalf("the sample has no %s", before)
		}
		return text
	}
	for name, test := range map[string]struct {
		text []byte
		want string // the beginning of the first problem
	}{
		"sound":          {sample.Config, ""},
		"unknown member": {replaced(`"cluster": {`, `"cluster": {"new": 1, `), "/cluster: additional properties 'new' not allowed"},
		"other type":     {replaced(`"candidate_pool_size": `, `"candidate_pool_size": "x", "unused": `), "/cluster"},
		"not UTF-8":      {replaced("cluster.example.org", "cl\xfcster.example.org"), "the file: not UTF-8"},
		"doubled":        {replaced(`"cluster": {`, `"cluster": {}, "cluster": {`), "/cluster: missing properties"},
		"half":           {[]byte("{"), "the file: ends too early"},
		"more":           {append(bytes.Clone(sample.Config), "{}"...), "the file: not JSON: "},
		"nothing":        {nil, "the file: ends too early"},
		"missing":        {replaced(`"version"`, `"vision"`), "the file: "},
	} {
		problems, err := Check(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if len(problems) > 0 != (test.want != "") || test.want != "" && !strings.HasPrefix(problems[0], test.want) {
			t.Errorf("%s: %q, want %q", name, problems, test.want)
		}
	}
}
