package policy

import (
	"strings"
	"unicode"
)

// Host is a host name in its one canonical form: lower case, without white
// space around it and without a trailing dot. Two hosts that reach the same
// place compare equal, so rules compare Hosts and never the strings they came
// from.
//
// A Host that starts with '*' is a wildcard as Istio understands it: it covers
// every name that ends with the rest, so "*.a.com" covers "x.a.com" and
// "x.y.a.com" but not "a.com", and "*a.com" covers "a.com" and "ba.com"
// (istio.io/istio pkg/config/host/name.go, Name.Matches).
type Host string

// ParseHost returns the canonical form of a host as it stands in an object.
// It accepts any string: whether the host is well formed is for rules to say.
func ParseHost(s string) Host {
	return Host(strings.TrimLeftFunc(strings.TrimRightFunc(strings.ToLower(s), func(r rune) bool { return r == '.' || unicode.IsSpace(r) }), unicode.IsSpace))
}

// Wildcard tells whether the host stands for many.
func (h Host) Wildcard() bool {
	return strings.HasPrefix(string(h), "*")
}

// lastLabel is what stands behind the last dot.
func (h Host) lastLabel() string {
	return string(h[strings.LastIndexByte(string(h), '.')+1:])
}

// Covers tells whether every name that o stands for is one that h stands for.
func (h Host) Covers(o Host) bool {
	if !h.Wildcard() {
		return h == o
	}
	return strings.HasSuffix(strings.TrimPrefix(string(o), "*"), string(h[1:]))
}

// Overlaps tells whether some name is one that both stand for.
func (h Host) Overlaps(o Host) bool {
	return h.Covers(o) || o.Covers(h)
}

// Under tells whether every name that h stands for lies below the domain. The
// domain itself does not.
func (h Host) Under(domain Host) bool {
	return strings.HasSuffix(string(h), "."+string(domain))
}

// Reaches tells whether some name that h stands for lies below the domain.
func (h Host) Reaches(domain Host) bool {
	return h.Under(domain) || h.Overlaps("*."+domain)
}
