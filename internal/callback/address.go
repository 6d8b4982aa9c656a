package callback

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redkite/redkite/internal/rag"
)

// guard lets connections go to addresses of the public internet only, and to those that the operator allows.
type guard struct {
	hosts  []string // whose names are allowed, wherever they lead
	ranges []netip.Prefix

	reserved []netip.Prefix

	resolver *net.Resolver // of names; the system's when nil
}

// newGuard reads what an operator allows: names of hosts, addresses, and ranges in CIDR notation, comma-separated.
func newGuard(allow string) (*guard, error) {
	g := &guard{reserved: reserved()}
	for entry := range strings.SplitSeq(allow, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if addr, err := netip.ParseAddr(entry); err == nil {
			g.ranges = append(g.ranges, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		if strings.Contains(entry, "/") {
			prefix, err := netip.ParsePrefix(entry)
			if err != nil {
				return nil, rag.Invalid("", "setting callback-allow: %q is no range of addresses such as 10.0.0.0/8", entry)
			}
			g.ranges = append(g.ranges, prefix.Masked())
			continue
		}
		if strings.ContainsAny(entry, ": *") {
			return nil, rag.Invalid("", "setting callback-allow: %q is no name of a host; write names without port, comma-separated", entry)
		}
		g.hosts = append(g.hosts, hostName(entry))
	}
	return g, nil
}

// hostName makes names of one host equal.
func hostName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// check refuses an address that is no http or https, or that names a forbidden address outright. A name is checked when
// it is dialed.
func (g *guard) check(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return rag.Invalid("/callback_url", "callback_url can't be read: %v", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return rag.Invalid("/callback_url", "callback_url begins with https:// or http:// and a host")
	}
	if u.User != nil {
		return rag.Invalid("/callback_url", "callback_url holds a user or password; callbacks are signed instead")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && !g.allows(addr) {
		return refusedAddress(u.Hostname())
	}
	return nil
}

func refusedAddress(host string) *rag.Problem {
	return &rag.Problem{
		Kind: rag.ErrInvalid, Code: "callback_address_refused", Pointer: "/callback_url",
		Message: fmt.Sprintf("%s is, or leads to, an internal address; callbacks go to the public internet, and to what the setting callback-allow names", host),
	}
}

// dial connects to a host. Its addresses are checked after the name is resolved and right before each connection, so
// that a name which answers otherwise a moment later gains nothing.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialTimeout, Resolver: g.resolver}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial callback: %w", err)
	}
	if !slices.Contains(g.hosts, hostName(host)) {
		dialer.Control = func(_, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err != nil || !g.allows(to.Addr()) {
				return refusedAddress(host)
			}
			return nil
		}
	}
	return dialer.DialContext(ctx, network, address)
}

// dialTimeout bounds a connection's making.
const dialTimeout = 5 * time.Second

// allows reports whether callbacks may go to an address.
func (g *guard) allows(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if slices.ContainsFunc(g.ranges, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return true
	}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsLoopback() {
		return false
	}
	return !slices.ContainsFunc(g.reserved, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// reserved are the ranges that are no hosts of the public internet, or that carry an IPv4 address inside, beside those
// that netip tells.
func reserved() []netip.Prefix {
	ranges := []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"168.63.129.16/32", // Azure's metadata
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
	}
	out := make([]netip.Prefix, len(ranges))
	for i, r := range ranges {
		out[i] = netip.MustParsePrefix(r)
	}
	return out
}
