package cluster

import "sync"

// A crew works on other processors while this one splits a file. A nil crew is none.
type crew struct {
	jobs  chan func()
	group sync.WaitGroup
}

// newCrew returns a crew of n, to be ended with finish.
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

// do has a job done, by the caller if all have enough to do.
func (c *crew) do(job func()) {
	select {
	case c.jobs <- job:
	default:
		job()
	}
}

// finish returns when all jobs are done.
func (c *crew) finish() {
	if c != nil {
		close(c.jobs)
		c.work()
		c.group.Wait()
	}
}

// ahead has what was made of the objects of a container while the file was still being
// split, in the order of the file.
type ahead[E any] []*batch[E]

type batch[E any] struct {
	objects []object
	list    []E
	err     error
}

// of returns the list of what was made of objects. It is false if that is not all of them
// as they stand, or anything went wrong.
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

// references has the texts that objects refer to others by. Of the many to one object only
// the first is kept.
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

// share puts the one text that is kept in the place of each reference to a disk.
func (r *references) share(disks []string) {
	for i, disk := range disks {
		if j, ok := r.disks.find(disk); ok {
			disks[i] = r.disks.key(j)
		}
	}
}
