package vectors

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// lookupTable is spec/lookups.json.
type lookupTable struct {
	Names struct {
		Lookups []struct {
			Name, Of string
			Steps    []struct{ By, Match, Several string }
		}
	}
	Roles struct {
		Lookups []struct {
			Name  string
			Steps []struct{ If, Role string }
		}
	}
	Lookups []struct {
		Name, Gives string
		Given       map[string]string
		Steps       []map[string]any
	}
}

// follower does with a configuration what spec/lookups.json says, and nothing else: it knows
// the words of steps, but no lookup.
type follower struct {
	table     *lookupTable
	constants map[string]int64
	config    map[string]any
	values    any
	taken     map[string]bool // the lookups so far
}

// failure is why a lookup gives nothing: silence, or the name of an error. problem is the
// text that says what was not found, if that is part of the error.
type failure struct {
	name, problem string
	whole         bool // of the whole answer
}

// variables are the values that the steps of a lookup know.
type variables map[string]any

func (v variables) with(name string, value any) variables {
	more := maps.Clone(v)
	more[name] = value
	return more
}

// lookup returns what a lookup gives.
func (f *follower) lookup(name string, given variables) (any, *failure) {
	f.taken[name] = true
	for _, l := range f.table.Names.Lookups {
		if l.Name == name {
			for _, text := range given {
				return f.find(name, text)
			}
		}
	}
	for _, l := range f.table.Lookups {
		if l.Name != name {
			continue
		}
		r := run{follower: f, steps: l.Steps, seen: make(map[string]bool)}
		vars := variables{"config": f.config, "values": f.values}
		maps.Copy(vars, given)
		if failed := r.all(vars); failed != nil {
			return nil, failed
		}
		switch l.Gives {
		case "list":
			return append([]any{}, r.given...), nil
		case "members":
			object := make(map[string]any)
			for _, pair := range r.given {
				object[pair.([]any)[0].(string)] = pair.([]any)[1]
			}
			return object, nil
		}
		return r.given[0], nil
	}
	panic("no lookup " + name)
}

// find follows the steps for a name.
func (f *follower) find(lookup string, query any) (any, *failure) {
	f.taken[lookup] = true
	for _, names := range f.table.Names.Lookups {
		text, ok := query.(string)
		if names.Name != lookup || !ok {
			continue
		}
		kind := map[string]string{"nodes": "Node", "instances": "Instance"}[names.Of]
		objects, _ := f.config[names.Of].(map[string]any)
		for _, step := range names.Steps {
			found := make(map[string]string) // the greatest key of each name
			for key, object := range objects {
				name, _ := object.(map[string]any)["name"].(string)
				value := map[string]string{"key": key, "name": name}[step.By]
				matches := value == text
				if step.Match == "prefix" {
					matches = strings.HasPrefix(value, text+".")
				}
				if matches && !(kind == "Instance" && step.By == "name" && name == "") {
					found[name] = max(found[name], key)
				}
			}
			if len(found) > 1 && step.Several == "ambiguous" {
				return nil, &failure{problem: kind + " name " + text + " has multiple matches"}
			}
			for _, key := range found {
				return objects[key], nil
			}
		}
		return nil, &failure{problem: kind + " name " + text + " not found"}
	}
	return nil, &failure{}
}

// role follows the steps for a role.
func (f *follower) role(lookup string, master bool, node any) json.Number {
	f.taken[lookup] = true
	flag := func(name string) bool { return part(node, name) == true }
	holds := map[string]bool{
		"master": master, "drained": flag("drained"), "offline": flag("offline"), "master_candidate": flag("master_candidate"), "always": true,
	}
	for _, roles := range f.table.Roles.Lookups {
		if roles.Name == lookup {
			i := slices.IndexFunc(roles.Steps, func(step struct{ If, Role string }) bool { return holds[step.If] })
			return f.constant(roles.Steps[i].Role)
		}
	}
	panic("no lookup " + lookup)
}

func (f *follower) constant(name string) json.Number {
	return json.Number(strconv.FormatInt(f.constants[name], 10))
}

// run is a lookup that is being carried out.
type run struct {
	*follower
	steps []map[string]any
	seen  map[string]bool // what once has seen
	given []any
}

// all carries out the steps: those up to each choose for all elements, then those that follow
// for the one that is chosen.
func (r *run) all(vars variables) *failure {
	start := 0
	for at, step := range r.steps {
		if step["choose"] == nil {
			continue
		}
		var came []variables
		if failed := r.from(start, at, vars, func(v variables) { came = append(came, v) }); failed != nil {
			return failed
		}
		if len(came) == 0 {
			return r.otherwise(step)
		}
		vars = came[0]
		if step["choose"] == "last" {
			vars = came[len(came)-1]
		}
		start = at + 1
	}
	return r.from(start, len(r.steps), vars, func(variables) {})
}

// otherwise returns the failure that else says.
func (r *run) otherwise(step map[string]any) *failure {
	name, _ := step["else"].(string)
	return &failure{name: name, whole: step["whole"] == true}
}

// from carries out some steps, and calls reached with the variables of each element that comes
// to their end.
func (r *run) from(at, end int, vars variables, reached func(variables)) *failure {
	for ; at < end; at++ {
		step := r.steps[at]
		name := func(word string) string { text, _ := step[word].(string); return text }
		value := func(word string) any { return r.value(step[word], vars) }
		rest := func(vars variables) *failure { return r.from(at+1, end, vars, reached) }
		holds, problem := true, ""
		switch {
		case step["each"] != nil:
			for i, element := range elementsOf(value("of"), name("order")) {
				each := vars.with(name("each"), element)
				if number := name("number"); number != "" {
					each[number] = json.Number(strconv.Itoa(i))
				}
				if failed := rest(each); failed != nil {
					return failed
				}
			}
			return nil
		case step["walk"] != nil:
			var walk func(value any) *failure
			walk = func(value any) *failure {
				if failed := rest(vars.with(name("walk"), value)); failed != nil {
					return failed
				}
				for _, below := range elementsOf(part(value, name("down")), "") {
					if failed := walk(below); failed != nil {
						return failed
					}
				}
				return nil
			}
			return walk(value("of"))
		case step["find"] != nil:
			found, failed := r.found(step, vars)
			if failed != nil {
				if failed.name != "" {
					return failed
				}
				holds, problem = false, failed.problem
			}
			vars = vars.with(name("find"), found)
		case step["cases"] != nil:
			vars = maps.Clone(vars)
			holds = slices.ContainsFunc(step["cases"].([]any), func(one any) bool { return r.assign(one.(map[string]any), vars) })
		case step["if"] != nil, step["set"] != nil:
			vars = maps.Clone(vars)
			holds = r.assign(step, vars)
		case step["once"] != nil:
			key := fmt.Sprintf("%d %v", at, value("once"))
			holds = !r.seen[key]
			r.seen[key] = true
		case step["give"] != nil:
			r.given = append(r.given, value("give"))
		default:
			panic(fmt.Sprint("unknown step ", step))
		}
		switch {
		case holds:
		case name("else") == "":
			return nil
		case name("else") != "null":
			failed := r.otherwise(step)
			failed.problem = problem
			return failed
		}
	}
	reached(vars)
	return nil
}

// found carries out a find. The failure has a name if it is that of a lookup inside.
func (r *run) found(step map[string]any, vars variables) (any, *failure) {
	by := r.value(step["by"], vars)
	switch as, _ := step["as"].(string); {
	case as != "":
		given := variables{"": by} // of names
		for _, l := range r.table.Lookups {
			if l.Name == as {
				given = make(variables)
				for name := range l.Given {
					given[name] = by
				}
			}
		}
		return r.lookup(as, given)
	case step["along"] != nil:
		if found, ok := along(r.value(step["in"], vars), r.value(step["along"], vars).(string)); ok {
			return found, nil
		}
		return nil, &failure{}
	}
	key, _ := by.(string)
	objects, _ := r.value(step["in"], vars).(map[string]any)
	if found, ok := objects[key]; ok && by != nil {
		return found, nil
	}
	return nil, &failure{problem: "Disk uuid " + key + " not found"}
}

// assign sets what a step or a case has, if its condition holds.
func (r *run) assign(one map[string]any, vars variables) bool {
	if one["if"] != nil && !r.holds(one, vars) {
		return false
	}
	set, _ := one["set"].(map[string]any)
	before := maps.Clone(vars)
	for name, value := range set {
		vars[name] = r.value(value, before)
	}
	return true
}

func (r *run) holds(one map[string]any, vars variables) bool {
	value := r.value(one["if"], vars)
	if is, ok := one["is"]; ok {
		return value == is
	}
	if not, ok := one["not"]; ok {
		return !reflect.DeepEqual(value, not)
	}
	switch {
	case one["same"] != nil:
		return value != nil && reflect.DeepEqual(value, r.value(one["same"], vars))
	case one["kind"] != nil:
		return slices.Contains(one["kind"].([]any), any(kindOf(value, ClassicDialect)))
	case one["keys-of"] != nil:
		objects, _ := r.value(one["keys-of"], vars).(map[string]any)
		return !slices.ContainsFunc(elementsOf(value, ""), func(key any) bool { return objects[key.(string)] == nil })
	case one["any-of"] != nil:
		others := elementsOf(r.value(one["any-of"], vars), "")
		return slices.ContainsFunc(elementsOf(value, ""), func(element any) bool { return slices.Contains(others, element) })
	}
	panic(fmt.Sprint("unknown condition ", one))
}

// value returns what a value of the file stands for.
func (r *run) value(written any, vars variables) any {
	all := func(values any) (list []any) {
		for _, v := range values.([]any) {
			list = append(list, r.value(v, vars))
		}
		return list
	}
	if path, ok := written.(string); ok {
		root, rest, _ := strings.Cut(path, ".")
		value, known := vars[root]
		if !known {
			panic("no variable " + root)
		}
		for name := range strings.SplitSeq(rest, ".") {
			if name != "" {
				value = part(value, name)
			}
		}
		return value
	}
	object, _ := written.(map[string]any)
	for word, value := range object {
		switch word {
		case "first":
			for _, one := range all(value) {
				if one != nil {
					return one
				}
			}
			return nil
		case "literal":
			return value
		case "constant":
			return r.constant(value.(string))
		case "list":
			return all(value)
		case "members":
			made := make(map[string]any)
			for name, one := range value.(map[string]any) {
				made[name] = r.value(one, vars)
			}
			return made
		case "join":
			text := ""
			for _, one := range all(value) {
				text += fmt.Sprint(one)
			}
			return text
		}
	}
	return nil
}

// part returns a member or an element, or nil.
func part(value any, name string) any {
	switch value := value.(type) {
	case map[string]any:
		return value[name]
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i < len(value) {
			return value[i]
		}
	}
	return nil
}

// elementsOf returns the elements of a list, or the members of an object by their keys or by
// a member of their own.
func elementsOf(value any, order string) (elements []any) {
	switch value := value.(type) {
	case []any:
		return value
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			elements = append(elements, value[key])
		}
		if order != "" {
			text := func(element any) string { text, _ := part(element, order).(string); return text }
			slices.SortStableFunc(elements, func(a, b any) int { return strings.Compare(text(a), text(b)) })
		}
	}
	return elements
}

// along follows a JSON pointer.
func along(value any, pointer string) (any, bool) {
	tokens := strings.Split(pointer, "/")
	if tokens[0] != "" {
		return nil, false
	}
	for _, token := range tokens[1:] {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(token), "~") {
			return nil, false
		}
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch container := value.(type) {
		case map[string]any:
			var ok bool
			if value, ok = container[token]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || strconv.Itoa(i) != token || i < 0 || i >= len(container) {
				return nil, false
			}
			value = container[i]
		default:
			return nil, false
		}
	}
	return value, true
}
