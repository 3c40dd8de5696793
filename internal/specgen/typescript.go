package main

import (
	"embed"
	"strings"
	"text/template"
)

//go:embed typescript/*.tmpl
var typescriptFiles embed.FS

var typescriptTemplates = template.Must(template.New("typescript").Funcs(template.FuncMap{
	"typed":    typescriptType,
	"document": typescriptDoc,
	"member":   typescriptMember,
	"lower":    func(name string) string { return strings.ToLower(name[:1]) + name[1:] },
	"literal":  typescriptLiteral,
	"formType": func(form string) string {
		return map[string]string{"text": "string", "literal": "string", "optional": "string | null", "literals": "readonly string[]", "fields": "readonly number[]"}[form]
	},
	"written": func(t errorText) string {
		return portText(t, func(p *parameter) string {
			if p.Form == "text" {
				return p.Name
			}
			return "shown" + strings.ToUpper(p.Form[:1]) + p.Form[1:] + "(" + p.Name + ")"
		})
	},
}).ParseFS(typescriptFiles, "typescript/*.tmpl"))

func typescriptLiteral(v any) string { return literal(v, [3]string{"null", "false", "true"}) }

// typescript returns the files of a TypeScript module with the protocol's types, readers and
// constants.
func typescript(p *port) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, name := range []string{"constants", "tables", "check", "rules", "canonical"} {
		if err := execute(files, typescriptTemplates, name+".ts", name+".ts.tmpl", p); err != nil {
			return nil, err
		}
	}
	for _, m := range p.Modules {
		if err := execute(files, typescriptTemplates, m.Name+".ts", "module.ts.tmpl", m); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// typescriptType writes a type in TypeScript.
func typescriptType(s shape, current string) string {
	of := func(s shape) string { return typescriptType(s, current) }
	switch s.Kind {
	case nullKind:
		return "null"
	case booleanKind:
		return "boolean"
	case integerKind, numberKind:
		return "Numeric"
	case stringKind:
		return "string"
	case listKind:
		if element := of(s.Of[0]); strings.Contains(element, " | ") {
			return "(" + element + ")[]"
		}
		return of(s.Of[0]) + "[]"
	case mapKind:
		return "Record<string, " + of(s.Of[0]) + ">"
	case tupleKind:
		elements := each(s.Of, of)
		for i, m := range s.Members {
			elements[i] = m.Name + ": " + elements[i]
			if !m.Required {
				elements[i] = m.Name + "?: " + of(m.Shape)
			}
		}
		return "[" + strings.Join(elements, ", ") + "]"
	case unionKind:
		return strings.Join(distinct(each(s.Of, of)), " | ")
	case valuesKind:
		return strings.Join(each(s.Values, typescriptLiteral), " | ")
	case referenceKind:
		if s.Module != current {
			return s.Module + "." + s.Name
		}
		return s.Name
	}
	return "Json"
}

// typescriptMember writes the name of a member, with a mark if it may be missing.
func typescriptMember(m member) string {
	name := m.Name
	if isOdd(m) {
		name = literal(name, [3]string{})
	}
	if !m.Required {
		name += "?"
	}
	return name
}

// typescriptDoc writes a documentation comment.
func typescriptDoc(indent int, text string) string {
	margin := strings.Repeat(" ", indent)
	lines := wrap(text, 92-indent)
	if len(lines) == 1 {
		return margin + "/** " + lines[0] + " */"
	}
	return margin + "/**\n" + margin + " * " + strings.Join(lines, "\n"+margin+" * ") + "\n" + margin + " */"
}
