package ask

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/goccy/go-json"

	"gntconfd/client"
	"gntconfd/cmd/confdctl/show"
)

// locate asks where the instances with some addresses are, each on its link. That is one
// question for each link.
func locate(ips []netip.Addr, links []string, hosts show.Hosts) inquiry {
	asked := located{ips: ips, links: links, hosts: hosts}
	for i, link := range links {
		if !slices.Contains(links[:i], link) {
			asked.each = append(asked.each, link)
		}
	}
	return asked
}

type located struct {
	ips   []netip.Addr
	links []string // of the addresses
	each  []string // the same, each once
	hosts show.Hosts
}

// question asks for the addresses on one link.
func (q located) question(link string) client.Question[[]client.Location] {
	var some []netip.Addr
	for i, ip := range q.ips {
		if q.links[i] == link {
			some = append(some, ip)
		}
	}
	return client.LocateAll(link, some...)
}

// put enters the locations on one link among those of all.
func (q located) put(all []show.Location, link string, some []client.Location) {
	for i := range q.ips {
		if q.links[i] == link && len(some) > 0 {
			all[i] = show.Location{Location: some[0], Link: link}
			some = some[1:]
		}
	}
}

func (q located) query(ctx context.Context, c *client.Client) (answer, error) {
	all := make([]show.Location, len(q.ips))
	whole := answer{agreed: true, consistent: true}
	for _, link := range q.each {
		r, err := client.Query(ctx, c, q.question(link))
		if err != nil && !errors.Is(err, client.ErrInconsistent) {
			return answer{err: err, roundTrip: r.RoundTrip}, err
		}
		q.put(all, link, r.Answer)
		whole.serial, whole.roundTrip = max(whole.serial, r.Serial), max(whole.roundTrip, r.RoundTrip)
		whole.agreed, whole.consistent = whole.agreed && r.Agreed, whole.consistent && r.Consistent
		whole.replies, whole.asked = len(r.Replies), len(r.Replies)+len(r.Silent)
		if err != nil {
			return whole, err
		}
	}
	whole.View = show.Locations(all, q.hosts)
	return whole, nil
}

func (q located) replies(ctx context.Context, c *client.Client) iter.Seq2[answer, error] {
	return func(yield func(answer, error) bool) {
		locations := make(map[string][]show.Location)
		answers := make(map[string]answer)
		var failure error
		for _, link := range q.each {
			for r, err := range client.Replies(ctx, c, q.question(link)) {
				if err != nil {
					failure = err
					break
				}
				a := answer{peer: r.Peer, serial: r.Serial, roundTrip: r.RoundTrip, err: r.Err}
				if locations[r.Peer] == nil {
					locations[r.Peer] = make([]show.Location, len(q.ips))
				}
				q.put(locations[r.Peer], link, r.Answer)
				answers[r.Peer] = a
			}
		}
		for peer, a := range answers {
			if a.err == nil {
				a.View = show.Locations(locations[peer], q.hosts)
			}
			if !yield(a, nil) {
				return
			}
		}
		if failure != nil {
			yield(answer{}, failure)
		}
	}
}

func (q located) watch(ctx context.Context, c *client.Client, every time.Duration) iter.Seq2[answer, error] {
	if len(q.each) > 1 {
		return func(yield func(answer, error) bool) {
			yield(answer{}, errors.New("these addresses are on several links: name one link with --link"))
		}
	}
	one := inquire(q.question(q.each[0]), func(some []client.Location, _ json.RawMessage) show.View {
		all := make([]show.Location, len(q.ips))
		q.put(all, q.each[0], some)
		return show.Locations(all, q.hosts)
	})
	return one.watch(ctx, c, every)
}
