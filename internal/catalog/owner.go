package catalog

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
)

// newOwner names one run of the queue in leases: where its process lives, its number and start there, and a random
// part. It is at most 100 characters, which River allows for an id.
func newOwner() string {
	home := processHome()
	pid := os.Getpid()
	return fmt.Sprintf("%s/%d/%s/%s", home, pid, processStart(pid), rand.Text()[:8])
}

// workerName is what people are told of a worker: its host and process.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// isDead reports whether the owner is a process that lived here and is no more. An owner from elsewhere, be it another
// container of the same host, is never called dead: its lease must run out.
func isDead(owner string) bool {
	parts := strings.Split(owner, "/")
	home := processHome()
	if len(parts) != 4 || home == "" || parts[0] != home || parts[2] == "" {
		return false
	}
	var pid int
	if _, err := fmt.Sscanf(parts[1], "%d", &pid); err != nil {
		return false
	}
	return processStart(pid) != parts[2]
}

// processHome names what gives a process number its meaning: this boot of this machine and this PID namespace. Hosts
// that share a database are told apart by the boot's random id, and copies of one virtual machine, woken from the same
// memory, by their host name. It is empty where the system does not tell, as outside Linux; then no owner is ever called
// dead.
func processHome() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid") // pid:[4026531836]
	if err != nil {
		return ""
	}
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return homeOf(strings.TrimSpace(string(boot)), strings.Trim(namespace, "pid:[]"), host)
}

func homeOf(boot, namespace, host string) string {
	sum := sha256.Sum256([]byte(host))
	return fmt.Sprintf("%s.%s.%x", boot, namespace, sum[:4])
}

// processStart is when a process started, in clock ticks since boot; empty where there is no such process. A zombie
// counts as none.
func processStart(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field, the name in parentheses, may hold spaces; state is the third, start time the 22nd.
	_, rest, found := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}
