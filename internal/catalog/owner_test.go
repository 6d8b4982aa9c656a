package catalog

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestIsDead judges owners of this host and of others that share the database.
func TestIsDead(t *testing.T) {
	if processHome() == "" {
		t.Skip("this system does not tell processes of one boot from those of another")
	}
	us := newOwner()
	if len(us) > 100 {
		t.Errorf("owner %s has %d characters, River allows 100", us, len(us))
	}
	child := exec.Command(os.Args[0], "-test.run=^$")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	start := processStart(child.Process.Pid)
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	gone := func(home string) string {
		return strings.Join([]string{home, "4194303", start, "abcdefgh"}, "/") // the largest number that a process may have
	}
	boot, rest, _ := strings.Cut(processHome(), ".")
	namespace, _, _ := strings.Cut(rest, ".")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		owner string
		dead  bool
	}{
		"this process":                   {us, false},
		"a process of here that is gone": {gone(homeOf(boot, namespace, host)), true},
		"of another boot":                {gone(homeOf("00000000-0000-0000-0000-000000000000", namespace, host)), false},
		"of another container":           {gone(homeOf(boot, "1", host)), false},
		"of a copy of this machine":      {gone(homeOf(boot, namespace, host+"-2")), false},
		"no owner":                       {"", false},
	} {
		if got := isDead(test.owner); got != test.dead {
			t.Errorf("%s (%s): dead %v, want %v", name, test.owner, got, test.dead)
		}
	}
}
