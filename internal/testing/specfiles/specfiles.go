// Package specfiles gives tests the files of the spec: as values, and as validators.
package specfiles

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/spec"
)

// Read decodes a file of the spec.
func Read(tb testing.TB, name string, into any) {
	tb.Helper()
	text, err := spec.Files.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
}

// Value returns a file as the value that a schema's Validate takes.
func Value(tb testing.TB, files fs.FS, name string) any {
	tb.Helper()
	text, err := fs.ReadFile(files, name)
	if err != nil {
		tb.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return value
}

// Schema returns a schema: ref is the name of a file, or that with a pointer into it, such as
// "wire.json#/definitions/Request". It may refer to other files.
func Schema(tb testing.TB, ref string) *jsonschema.Schema {
	tb.Helper()
	compiling.Lock()
	defer compiling.Unlock()
	schema, err := compiler.Compile(scheme + ref)
	if err != nil {
		tb.Fatal(err)
	}
	return schema
}

// scheme begins the addresses of the files.
const scheme = "spec:///"

// compiler keeps what it has compiled. It serves one caller at a time.
var (
	compiling sync.Mutex
	compiler  = newCompiler()
)

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.UseLoader(loader{})
	return c
}

// loader loads the files by their addresses.
type loader struct{}

func (loader) Load(url string) (any, error) {
	text, err := spec.Files.ReadFile(strings.TrimPrefix(url, scheme))
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}
