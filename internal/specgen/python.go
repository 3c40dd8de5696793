package main

import (
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/goccy/go-json"
)

//go:embed python/*.tmpl
var pythonFiles embed.FS

var pythonTemplates = template.Must(template.New("python").Funcs(template.FuncMap{
	"upper":    func(name string) string { return strings.ToUpper(snake(name)) },
	"snake":    snake,
	"note":     func(indent int, text string) string { return prefixed(indent, "#: ", text) },
	"document": pythonDoc,
	"typed":    pythonType,
	"plain":    func(members []member) bool { return !slices.ContainsFunc(members, isOdd) },
	"literal":  pythonLiteral,
	"formType": func(form string) string {
		return map[string]string{"text": "str", "literal": "str", "optional": "str | None", "literals": "Iterable[str]", "fields": "Iterable[int]"}[form]
	},
	"written": func(t errorText) string {
		return portText(t, func(p *parameter) string {
			if p.Form == "text" {
				return p.Name
			}
			return "shown_" + p.Form + "(" + p.Name + ")"
		})
	},
}).ParseFS(pythonFiles, "python/*.tmpl"))

func pythonLiteral(v any) string { return literal(v, [3]string{"None", "False", "True"}) }

// python returns the files of a Python package with the protocol's types, readers and
// constants.
func python(p *port) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for name, data := range map[string]any{"__init__": p, "constants": p, "tables": p, "check": p, "rules": p, "canonical": p} {
		if err := execute(files, pythonTemplates, name+".py", name+".py.tmpl", data); err != nil {
			return nil, err
		}
	}
	for _, m := range p.Modules {
		if err := execute(files, pythonTemplates, m.Name+".py", "module.py.tmpl", m); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// execute adds a file that a template makes.
func execute(files map[string][]byte, all *template.Template, file, name string, data any) error {
	var b strings.Builder
	err := all.ExecuteTemplate(&b, name, data)
	files[file] = []byte(b.String())
	return err
}

// identifier matches what can be the name of an attribute.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// isOdd reports whether a member has a name that cannot be an attribute's.
func isOdd(m member) bool { return !identifier.MatchString(m.Name) }

// pythonType writes a type in Python.
func pythonType(s shape, current string) string {
	of := func(s shape) string { return pythonType(s, current) }
	switch s.Kind {
	case nullKind:
		return "None"
	case booleanKind:
		return "bool"
	case integerKind:
		return "int"
	case numberKind:
		return "float"
	case stringKind:
		return "str"
	case listKind:
		return "list[" + of(s.Of[0]) + "]"
	case mapKind:
		return "dict[str, " + of(s.Of[0]) + "]"
	case tupleKind:
		if s.Min != len(s.Of) {
			return "tuple[Any, ...]"
		}
		return "tuple[" + strings.Join(each(s.Of, of), ", ") + "]"
	case unionKind:
		return strings.Join(distinct(each(s.Of, of)), " | ")
	case valuesKind:
		return "Literal[" + strings.Join(each(s.Values, pythonLiteral), ", ") + "]"
	case referenceKind:
		if s.Module != current {
			return s.Module + "." + s.Name
		}
		return s.Name
	}
	return "Any"
}

// pythonDoc writes a documentation string.
func pythonDoc(indent int, text string) string {
	margin := strings.Repeat(" ", indent)
	lines := wrap(strings.ReplaceAll(text, `\`, `\\`), 95-indent)
	if len(lines) == 1 && !strings.HasSuffix(lines[0], `"`) {
		return margin + `"""` + lines[0] + `"""`
	}
	return margin + `"""` + strings.Join(lines, "\n"+margin) + "\n" + margin + `"""`
}

// prefixed writes a text as lines that begin alike.
func prefixed(indent int, prefix, text string) string {
	margin := strings.Repeat(" ", indent) + prefix
	return margin + strings.Join(wrap(text, 95-indent), "\n"+margin)
}

func each[T any](all []T, f func(T) string) []string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = f(one)
	}
	return texts
}

// distinct drops texts that were there before.
func distinct(texts []string) []string {
	var kept []string
	for _, text := range texts {
		if !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

// literal writes a value of JSON in a language that differs from it in the words for null,
// false and true. What fits stands on one line.
func literal(value any, words [3]string) string { return indented(value, words, 0) }

func indented(value any, words [3]string, indent int) string {
	var open, end string
	var parts []string
	switch value := value.(type) {
	case nil:
		return words[0]
	case bool:
		if value {
			return words[2]
		}
		return words[1]
	case []any:
		open, end = "[", "]"
		for _, element := range value {
			parts = append(parts, indented(element, words, indent+1))
		}
	case map[string]any:
		open, end = "{", "}"
		for _, key := range sortedKeys(value) {
			parts = append(parts, fmt.Sprintf("%s: %s", must(json.Marshal(key)), indented(value[key], words, indent+1)))
		}
	default:
		return string(must(json.MarshalWithOption(value, json.DisableHTMLEscape())))
	}
	line := open + strings.Join(parts, ", ") + end
	if len(line)+4*indent <= 100 && !strings.Contains(line, "\n") || len(parts) == 0 {
		return line
	}
	margin := strings.Repeat("    ", indent)
	return open + "\n" + margin + "    " + strings.Join(parts, ",\n"+margin+"    ") + ",\n" + margin + end
}
