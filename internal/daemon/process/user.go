package process

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// BecomeUser switches the process to the named user and group and the user's other groups,
// irrevocably. Only root can.
func BecomeUser(name string) error {
	u, g, err := lookup(name)
	if err != nil {
		return err
	}
	others, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of user %s: %w", name, err)
	}
	ids := make([]int, 0, 2+len(others)) // user, group, and all groups
	for _, text := range append([]string{u.Uid, g.Gid}, others...) {
		id, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("IDs of user %s: %w", name, err)
		}
		ids = append(ids, id)
	}
	// Switching the user drops the right to change the groups, so it comes last.
	err = syscall.Setgroups(ids[2:])
	if err == nil {
		err = syscall.Setgid(ids[1])
	}
	if err == nil {
		err = syscall.Setuid(ids[0])
	}
	if err != nil {
		return fmt.Errorf("switching to user %s: %w", name, err)
	}
	return nil
}

// lookup returns the IDs of a user and of the group with the same name.
func lookup(name string) (*user.User, *user.Group, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: create it, or use --no-user-checks", err)
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: create it, or use --no-user-checks", err)
	}
	return u, g, nil
}

// CheckUser returns an error unless the process runs as the named user and group.
func CheckUser(program, name string) error {
	u, g, err := lookup(name)
	if err != nil {
		return err
	}
	if id := strconv.Itoa(os.Getuid()); id != u.Uid {
		return fmt.Errorf("%s started using wrong user ID (%s), expected %s", program, id, u.Uid)
	}
	if id := strconv.Itoa(os.Getgid()); id != g.Gid {
		return fmt.Errorf("%s started using wrong group ID (%s), expected %s", program, id, g.Gid)
	}
	return nil
}
