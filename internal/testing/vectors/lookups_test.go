package vectors

import (
	"encoding/json"
	"fmt"
	"gntconfd/internal/testing/specfiles"
	"slices"
	"strings"
	"testing"
)

// lookupTable is what spec/lookups.json has in a form that programs can follow.
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
}

// named is an object with a name, and with the flags of a node.
type named struct {
	Name      string `json:"name"`
	Drained   bool   `json:"drained"`
	Offline   bool   `json:"offline"`
	Candidate bool   `json:"master_candidate"`
}

// find follows the steps of a lookup. It returns the key of what it found, or the name of the
// error.
func (l *lookupTable) find(lookup, text string, objects map[string]named) (key, failure string) {
	for _, names := range l.Names.Lookups {
		if names.Name != lookup {
			continue
		}
		for _, step := range names.Steps {
			found := make(map[string]string) // the greatest key of each name
			for key, object := range objects {
				value := map[string]string{"key": key, "name": object.Name}[step.By]
				matches := value == text
				if step.Match == "prefix" {
					matches = strings.HasPrefix(value, text+".")
				}
				if matches && !(names.Of == "instances" && step.By == "name" && object.Name == "") {
					found[object.Name] = max(found[object.Name], key)
				}
			}
			if len(found) > 1 && step.Several == "ambiguous" {
				return "", "Ambiguous"
			}
			for _, key := range found {
				return key, ""
			}
		}
	}
	return "", "NotFound"
}

// TestLookups: whoever follows the steps for names and roles in spec/lookups.json replies like
// Ganeti's daemon, from which the vectors are recorded.
func TestLookups(t *testing.T) {
	var table lookupTable
	specfiles.Read(t, "lookups.json", &table)
	errors := readErrors(t)
	counts := make(map[string]int)
	for _, file := range load(t) {
		if file.Dialect != Dialect {
			continue
		}
		for _, v := range file.Vectors {
			var request struct{ Query any }
			if v.Reply == nil || json.Unmarshal(requestText(&v), &request) != nil || v.Deviation != "" {
				continue
			}
			query, ok := request.Query.(string)
			var config struct {
				Cluster struct {
					Master string `json:"master_node"`
				}
				Nodes, Instances map[string]named
			}
			if !ok || errors.named("ConfigMissing").MatchString(v.Reply.text()) || errors.named("ConfigUnreadable").MatchString(v.Reply.text()) ||
				readConfigInto(v.Content(), &config) != nil {
				continue
			}
			want := ""
			switch number := requestType(t, &v); number {
			case "1":
				master, failure := table.find("Node", config.Cluster.Master, config.Nodes)
				key, problem := table.find("Node", query, config.Nodes)
				switch {
				case failure != "":
					want = "Node" + failure
				case problem != "":
					want = "Node" + problem
				default:
					want = fmt.Sprint(errors.values[table.role("Role", query == config.Nodes[master].Name, config.Nodes[key])])
				}
				counts["roles"]++
			case "7", "8":
				if _, failure := table.find("Node", query, config.Nodes); failure != "" {
					want = "Node" + failure
				}
			case "9":
				if _, failure := table.find("Instance", query, config.Instances); failure != "" {
					want = "Instance" + failure
				}
			default:
				continue
			}
			got := v.Reply.text()
			phrase := ""
			for _, name := range []string{"NotFound", "Ambiguous"} {
				for _, of := range []string{"Node", "Instance"} {
					if want == of+name {
						phrase = map[string]string{"NotFound": of + " name ", "Ambiguous": "has multiple matches"}[name]
					}
				}
			}
			switch {
			case phrase != "":
				counts["errors"]++
				if v.Reply.Status != 1 || !strings.Contains(got, phrase) {
					t.Errorf("%s: %s, while the steps lead to %s", v.ID, got, want)
				}
			case want != "":
				if got != want {
					t.Errorf("%s: role %s, while the steps lead to %s", v.ID, got, want)
				}
			case v.Reply.Status == 1 && strings.Contains(got, "not found in the configuration"):
				t.Errorf("%s: %s, while the steps find it", v.ID, got)
			default:
				counts["found"]++
			}
		}
	}
	for _, kind := range []string{"roles", "errors", "found"} {
		if counts[kind] < 20 {
			t.Errorf("%d %s: the test says little", counts[kind], kind)
		}
	}
}

// role follows the steps for a role.
func (l *lookupTable) role(lookup string, master bool, node named) string {
	holds := map[string]bool{
		"master": master, "drained": node.Drained, "offline": node.Offline, "master_candidate": node.Candidate, "always": true,
	}
	for _, roles := range l.Roles.Lookups {
		if roles.Name == lookup {
			return roles.Steps[slices.IndexFunc(roles.Steps, func(step struct{ If, Role string }) bool { return holds[step.If] })].Role
		}
	}
	return "no lookup " + lookup
}
