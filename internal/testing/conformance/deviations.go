package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"gntconfd/spec"
)

// deviation is an entry of spec/deviations.json.
type deviation struct {
	ID, Scope, Title, Reason, Real, Ours string
	// Releases of Ganeti that it is about; nil for all releases in the vectors.
	Releases []string
}

// of reports whether a release of its dialect deviates.
func (d *deviation) of(release string) bool {
	return d.Releases == nil || slices.Contains(d.Releases, release)
}

func readDeviations() ([]deviation, error) {
	text, err := spec.Files.ReadFile("deviations.json")
	if err != nil {
		return nil, err
	}
	var list struct{ Deviations []deviation }
	err = json.Unmarshal(text, &list)
	return list.Deviations, err
}

// deviations returns, by deviation id, what each daemon does.
var deviations = sync.OnceValue(func() map[string]string {
	list, err := readDeviations()
	if err != nil {
		panic(err) // the file is embedded in the program
	}
	texts := make(map[string]string)
	for _, d := range list {
		texts[d.ID] = fmt.Sprintf("Ganeti's: %s This project's: %s", d.Real, d.Ours)
	}
	return texts
})

// Release returns the release number of the spec and its vectors.
var Release = sync.OnceValue(func() string {
	text, err := spec.Files.ReadFile("release.json")
	var file struct{ Release string }
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		panic(err) // the file is embedded in the program
	}
	return file.Release
})
