package cluster

import "sync"

// A crew does jobs on other processors while this one splits a file. A nil crew has nobody.
type crew struct {
	jobs  chan func()
	group sync.WaitGroup
}

// newCrew starts a crew of n goroutines. finish ends it.
func newCrew(n int) *crew {
	c := &crew{jobs: make(chan func(), 2*n)}
	for range n {
		c.group.Go(c.work)
	}
	return c
}

func (c *crew) work() {
	for job := range c.jobs {
		job()
	}
}

// do gives a job to the crew, or does it itself if the crew is busy.
func (c *crew) do(job func()) {
	select {
	case c.jobs <- job:
	default:
		job()
	}
}

// finish waits until all jobs are done.
func (c *crew) finish() {
	if c != nil {
		close(c.jobs)
		c.work()
		c.group.Wait()
	}
}

// ahead has the results of decoding the objects of a container while the file was still being
// split, in the order of the file.
type ahead[E any] []*batch[E]

type batch[E any] struct {
	objects []object
	list    []E
	err     error
}

// of returns the results for objects. It returns false if they are not exactly these objects
// in this order, or if there was an error.
func (a ahead[E]) of(objects []object) ([]E, bool) {
	list := make([]E, 0, len(objects))
	for _, p := range a {
		if p.err != nil || len(p.objects) > len(objects)-len(list) {
			return nil, false
		}
		for i := range p.objects {
			if !p.objects[i].samePlace(&objects[len(list)+i]) {
				return nil, false
			}
		}
		list = append(list, p.list...)
	}
	return list, len(list) == len(objects) && len(list) > 0
}

// references has the texts by which objects refer to others. Only the first of equal texts is
// kept.
type references struct {
	nodes, disks *container // nil for those that have not been split off yet

	mu     sync.Mutex
	others map[string]string // to nodes while nodes is nil
}

func (r *references) node(reference string) string {
	if r.nodes != nil {
		if i, ok := r.nodes.find(reference); ok {
			return r.nodes.key(i)
		}
		return reference
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.others == nil {
		r.others = make(map[string]string)
	}
	if first, ok := r.others[reference]; ok {
		return first
	}
	r.others[reference] = reference
	return reference
}

// share replaces each reference to a disk by the text that is kept.
func (r *references) share(disks []string) {
	for i, disk := range disks {
		if j, ok := r.disks.find(disk); ok {
			disks[i] = r.disks.key(j)
		}
	}
}
