package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// autoAllocated are the ranges that istiod takes the virtual addresses of
// ServiceEntries from (istio.io/istio pilot/pkg/features/pilot.go,
// IPAutoallocateIPv4Prefix and IPAutoallocateIPv6Prefix).
var autoAllocated = []netip.Prefix{
	netip.MustParsePrefix("240.240.0.0/16"),
	netip.MustParsePrefix("2001:2::/48"),
}

// parseAddresses reads an address, which is a range of one, or a range in CIDR
// notation. An IPv4 address within IPv6 comes out as IPv4, so that what reaches
// the same place compares equal. ok is false for what is neither.
func parseAddresses(s string) (p netip.Prefix, ok bool) {
	s = string(ParseHost(s))
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return unmapped(p), err == nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		addr, ok = parseOldIPv4(s)
		return netip.PrefixFrom(addr, addr.BitLen()), ok
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// unmapped drops the bits that do not count, and the 96 in front of an IPv4
// range within IPv6.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// parseOldIPv4 reads the forms that resolvers still take for IPv4 addresses
// (inet_aton): fewer than four parts, the last one filling the rest, and parts
// in hexadecimal or octal. It takes a few more forms of numbers than resolvers
// do, which no name of a host has either.
func parseOldIPv4(s string) (addr netip.Addr, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return addr, false
	}
	var value uint32
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		n, err := strconv.ParseUint(part, 0, bits)
		if err != nil {
			return addr, false
		}
		value = value<<bits | uint32(n)
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// overlap tells whether some address is in both ranges. A range of IPv6 holds
// the IPv4 addresses that are within IPv6.
func overlap(a, b netip.Prefix) bool {
	return a.Overlaps(b) || a.Overlaps(mapped(b)) || b.Overlaps(mapped(a))
}

// mapped is the inverse of unmapped.
func mapped(p netip.Prefix) netip.Prefix {
	if !p.Addr().Is4() {
		return p
	}
	return netip.PrefixFrom(netip.AddrFrom16(p.Addr().As16()), p.Bits()+96)
}

// holds tells whether one of the ranges overlaps with p.
func holds(ranges []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return overlap(r, p) })
}
