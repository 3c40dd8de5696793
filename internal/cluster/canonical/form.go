package canonical

import (
	"fmt"
	"math"
	"sync"

	"gntconfd/gen/form"
	"gntconfd/internal/jsontext"
)

// Form is the canonical form of one kind of value. It is safe for concurrent use.
type Form struct {
	kind    form.Kind
	members []member       // of an object, in the order of the schema
	index   map[string]int // from a member's name to its place in members
	open    bool           // an object keeps unknown members
	elem    *Form          // of a map's values and a list's elements
	tuple   []*Form        // of a tuple's elements
	secret  bool           // redacting leaves nothing of it
}

// member is a member of an object.
type member struct {
	label    []byte // the name as JSON text, and a colon
	form     *Form
	fallback []byte // the default as canonical text, or nil
	nullable bool   // null means the same as a missing member
	flag     bool   // written only if true
	nonEmpty bool   // written only if not an empty object
	needs    int    // the member without which it is omitted, or -1
}

// Of returns the form of a definition of spec/config.json. It panics if the definition does not
// exist.
func Of(definition string) *Form { return present().of(definition) }

// Classic returns the form of a definition of spec/classic.json: an older object with the
// members that it lacks. It panics if the definition does not exist.
func Classic(definition string) *Form { return classic().of(definition) }

var (
	present = sync.OnceValue(func() *forms { return newForms(form.Config) })
	classic = sync.OnceValue(func() *forms { return newForms(form.Classic) })
)

// forms are the forms of a table.
type forms struct {
	all         []Form
	definitions map[string]int
}

func (f *forms) of(definition string) *Form {
	at, ok := f.definitions[definition]
	if !ok {
		panic(fmt.Sprintf("canonical: the spec does not define %q", definition))
	}
	return &f.all[at]
}

// newForms builds the forms of a table.
func newForms(table form.Table) *forms {
	f := &forms{make([]Form, len(table.Forms)), table.Definitions}
	for i, from := range table.Forms {
		to := &f.all[i]
		*to = Form{kind: from.Kind, open: from.Open, secret: from.Secret}
		switch from.Kind {
		case form.Map, form.List:
			to.elem = &f.all[from.Elem]
		case form.Tuple:
			for _, at := range from.Tuple {
				to.tuple = append(to.tuple, &f.all[at])
			}
		case form.Object:
			to.index = make(map[string]int, len(from.Members))
			to.members = make([]member, len(from.Members))
		}
		for at, m := range from.Members {
			to.index[m.Name] = at
			to.members[at] = member{
				label:    append(jsontext.AppendQuoted(nil, []byte(m.Name)), ':'),
				form:     &f.all[m.Form],
				nullable: m.Nullable,
				flag:     m.Flag,
				nonEmpty: m.NonEmpty,
				needs:    m.Needs,
			}
			if m.Default != "" {
				to.members[at].fallback = []byte(m.Default)
			}
		}
	}
	done := make(map[*Form]bool)
	for i := range f.all {
		f.all[i].completeDefaults(done)
	}
	return f
}

// completeDefaults converts the defaults of members to their canonical form, which may have
// members with defaults too.
func (f *Form) completeDefaults(done map[*Form]bool) {
	if f == nil || done[f] {
		return
	}
	done[f] = true
	f.elem.completeDefaults(done)
	for _, element := range f.tuple {
		element.completeDefaults(done)
	}
	for i := range f.members {
		m := &f.members[i]
		m.form.completeDefaults(done)
		if m.fallback != nil {
			m.fallback = m.form.append(nil, m.fallback, &scratch{limit: math.MaxInt})
		}
	}
}
