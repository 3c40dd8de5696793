package realcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"gntconfd/client"
	"gntconfd/internal/jsontext"
	"gntconfd/internal/testing/jsonvalue"
)

// A question is a request type, with a query that is JSON.
type question struct {
	requestType int
	query       string
}

// said is a daemon's reply to a question.
type said struct {
	Silent bool
	Status int64
	Serial int64
	Answer any // numbers are json.Number
}

// questions asks about everything with a name or an address in a configuration, and about some
// things that do not exist.
func questions(t *testing.T, config []byte) []question {
	t.Helper()
	var root any
	if err := json.Unmarshal(config, &root); err != nil {
		t.Fatal(err)
	}
	names, addresses, links := set("", "absent", "absent.example.org"), set("192.0.2.99", "not an address", ""), set("", "absent")
	pointers := set("", "/", "/absent", "/cluster/absent", "absent", "/nodes/0", "/instances/absent/nics/0")
	collect("", root, func(pointer, member string, value any) {
		if strings.Count(pointer, "/") <= 4 {
			pointers[pointer] = true
		}
		text, ok := value.(string)
		if _, err := netip.ParseAddr(text); ok && err == nil {
			addresses[text] = true
		}
		switch {
		case !ok:
		case member == "link":
			links[text] = true
		case member == "name", member == "uuid":
			short, _, _ := strings.Cut(text, ".")
			for _, name := range []string{text, short, strings.ToUpper(text), text + "."} {
				names[name] = true
			}
		}
	})

	var out []question
	for requestType := range 12 {
		out = append(out, question{requestType, "null"}, question{requestType, `"absent"`}, question{requestType, `{}`})
	}
	out = append(out, question{3, `{"3": [0, 1, 2]}`}, question{3, `{"3": [2, 0]}`})
	for name := range names {
		for _, requestType := range []int{1, 7, 8, 9} {
			out = append(out, question{requestType, quote(name)})
		}
	}
	all := quote(slices.Sorted(maps.Keys(addresses)))
	out = append(out, question{2, `{"2": ` + all + `}`})
	for link := range links {
		out = append(out, question{6, quote(link)}, question{2, fmt.Sprintf(`{"0": %s, "2": %s}`, quote(link), all)})
		for address := range addresses {
			out = append(out, question{2, fmt.Sprintf(`{"0": %s, "1": %s}`, quote(link), quote(address))})
		}
	}
	for address := range addresses {
		out = append(out, question{2, fmt.Sprintf(`{"1": %s}`, quote(address))})
	}
	for pointer := range pointers {
		out = append(out, question{10, quote(pointer)})
	}
	return out
}

func set(members ...string) map[string]bool {
	s := make(map[string]bool)
	for _, m := range members {
		s[m] = true
	}
	return s
}

// collect calls visit with every value below one, with its JSON pointer and the name of the
// member that it is.
func collect(pointer string, value any, visit func(pointer, member string, value any)) {
	switch value := value.(type) {
	case map[string]any:
		for name, child := range value {
			at := pointer + "/" + jsontext.EscapeToken(name)
			visit(at, name, child)
			collect(at, child, visit)
		}
	case []any:
		for i, child := range value {
			at := fmt.Sprintf("%s/%d", pointer, i)
			visit(at, "", child)
			collect(at, child, visit)
		}
	}
}

func quote(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // texts can always be encoded
	}
	return string(text)
}

// ask asks the client's only peer, and waits for the reply.
func (q question) ask(ctx context.Context, c *client.Client, wait time.Duration) (said, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for reply, err := range client.Replies(ctx, c, client.Raw(q.requestType, json.RawMessage(q.query))) {
		var status *client.StatusError
		switch {
		case errors.Is(err, client.ErrNoReply):
			return said{Silent: true}, nil
		case err != nil:
			return said{}, err
		}
		s := said{Serial: reply.Serial}
		if errors.As(reply.Err, &status) {
			s.Status = int64(status.Status)
		} else if reply.Err != nil {
			return said{}, reply.Err
		}
		s.Answer, err = jsonvalue.Decode(reply.JSON)
		return s, err
	}
	return said{}, errors.New("neither a reply nor an error")
}

// atOnce is how many questions are in progress at a time.
const atOnce = 8

// mostFound limits the number of differences.
const mostFound = 5

// differences asks both daemons the questions and returns how their replies differ.
func differences(t *testing.T, genuine, ours *client.Client, questions []question) (found []string) {
	t.Helper()
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(atOnce)
	for _, q := range questions {
		group.Go(func() error {
			diff, err := q.difference(ctx, genuine, ours)
			if err != nil || diff == "" {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, fmt.Sprintf("type %d, query %s (-Ganeti's +ours):\n%s", q.requestType, q.query, diff))
			if len(found) == mostFound {
				return errEnough
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil && !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return found
}

var errEnough = errors.New("enough differences found")

func (q question) difference(ctx context.Context, genuine, ours *client.Client) (string, error) {
	var say [2]said
	// On a busy machine a reply may be late. If only one daemon has replied, ask again and wait
	// longer.
	for _, wait := range []time.Duration{time.Second, patience} {
		for i, c := range []*client.Client{genuine, ours} {
			var err error
			if say[i], err = q.ask(ctx, c, wait); err != nil {
				return "", fmt.Errorf("type %d, query %s: %w", q.requestType, q.query, err)
			}
		}
		if say[0].Silent == say[1].Silent {
			break
		}
	}
	return cmp.Diff(say[0], say[1], cmp.Comparer(jsonvalue.SameNumberAndKind)), nil
}
