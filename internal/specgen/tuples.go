package main

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"

	"gntconfd/internal/schema"
)

// tuples returns generated Go code with the elements of tuples renamed as in the schema.
// ogen calls them V0, V1 and so on.
func tuples(text, code []byte) ([]byte, error) {
	root, err := schema.Parse(text)
	if err != nil {
		return nil, err
	}
	elements := make(map[string][]string) // names of the elements, by type
	for name, definition := range root.Definitions {
		for _, item := range definition.Items.All {
			if item.Name != "" {
				elements[name] = append(elements[name], goName(item.Name))
			}
		}
	}

	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", code, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	type span struct {
		from, to int
		names    []string
	}
	var spans []span // the declarations that use the elements, as positions in the code
	for _, decl := range file.Decls {
		typ, doc := owner(decl)
		if names, ok := elements[typ]; ok {
			from := decl.Pos()
			if doc != nil {
				from = doc.Pos()
			}
			spans = append(spans, span{files.Position(from).Offset, files.Position(decl.End()).Offset, names})
		}
	}
	for _, s := range slices.Backward(spans) {
		renamed := elementPattern.ReplaceAllFunc(code[s.from:s.to], func(match []byte) []byte {
			parts := elementPattern.FindSubmatch(match)
			i, _ := strconv.Atoi(string(parts[2]))
			if i >= len(s.names) {
				return match
			}
			return append(parts[1], s.names[i]...)
		})
		code = slices.Concat(code[:s.from], renamed, code[s.to:])
	}
	for typ, names := range elements {
		for i, name := range names { // the types of elements with several types
			code = regexp.MustCompile(fmt.Sprintf(`\b(New)?(String|Int64)?%sV%d(Type)?\b`, typ, i)).
				ReplaceAll(code, []byte("${1}${2}"+typ+name+"${3}"))
		}
	}
	return format.Source(code)
}

// elementPattern matches an element, and its getters and setters.
var elementPattern = regexp.MustCompile(`\b(Get|Set|)V(\d)\b`)

// owner returns the type that a declaration declares or has as its receiver, with the
// comment before it.
func owner(decl ast.Decl) (string, *ast.CommentGroup) {
	switch decl := decl.(type) {
	case *ast.GenDecl:
		if spec, ok := decl.Specs[0].(*ast.TypeSpec); ok {
			return spec.Name.Name, decl.Doc
		}
	case *ast.FuncDecl:
		if decl.Recv == nil {
			break
		}
		receiver := decl.Recv.List[0].Type
		if pointer, ok := receiver.(*ast.StarExpr); ok {
			receiver = pointer.X
		}
		if name, ok := receiver.(*ast.Ident); ok {
			return name.Name, decl.Doc
		}
	}
	return "", nil
}
