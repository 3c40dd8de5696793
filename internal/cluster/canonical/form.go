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
	open    bool           // an object keeps members that it does not know
	elem    *Form          // of a map's values and a list's elements
	tuple   []*Form        // of a tuple's elements
	secret  bool           // redacting leaves nothing of it
}

// member is a member of an object.
type member struct {
	label    []byte // the name as JSON text, and a colon
	form     *Form
	fallback []byte // the default as canonical text; nil for none
	nullable bool   // null means the same as no such member
	flag     bool   // there only when true
	nonEmpty bool   // there only when not an empty object
	needs    int    // the member that it is dropped without; -1 for none
}

// Of returns the form of a definition of spec/config.json. It panics when there
// is no such definition.
func Of(definition string) *Form { return present().of(definition) }

// Classic returns the form of a definition of spec/classic.json: an older object
// with the members that it lacks. It panics when there is no such definition.
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

// newForms puts the forms of a table together.
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

// completeDefaults brings the defaults of members into their canonical form, which
// may have members with defaults as well.
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
