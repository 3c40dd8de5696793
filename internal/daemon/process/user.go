package process

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// CheckUser returns an error unless the process runs as the user and the group of
// a name.
func CheckUser(program, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("%w: make it, or give --no-user-checks", err)
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return fmt.Errorf("%w: make it, or give --no-user-checks", err)
	}
	if id := strconv.Itoa(os.Getuid()); id != u.Uid {
		return fmt.Errorf("%s started using wrong user ID (%s), expected %s", program, id, u.Uid)
	}
	if id := strconv.Itoa(os.Getgid()); id != g.Gid {
		return fmt.Errorf("%s started using wrong group ID (%s), expected %s", program, id, g.Gid)
	}
	return nil
}
