package advice

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"node1.example.org", "node12.example.org", "mail.example.org", "www1.example.org", "db1", "db2"}
	for meant, want := range map[string]string{
		"noed1":            "node1.example.org",
		"mial":             "mail.example.org",
		"maill":            "mail.example.org",
		"NODE12":           "node12.example.org",
		"www2":             "www1.example.org",
		"node1.exmple.org": "node1.example.org",
		"database":         "",
		"db3":              "", // which of the two?
		"db12":             "",
		"x":                "",
	} {
		if got := Nearest(meant, names); got != want {
			t.Errorf("%s: %q, want %q", meant, got, want)
		}
	}
}
