package policy

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Synthetic is the name of one app's own way to one real host. It resolves
// nowhere, so only a route can lead to it.
type Synthetic struct {
	App       string
	Namespace string
	Real      Host
}

// Host spells the name: <app>.<namespace>.<real host>.<suffix>.
func (s Synthetic) Host(suffix Host) Host {
	return Host(s.App + "." + s.Namespace + "." + string(s.Real) + "." + string(suffix))
}

// ParseSynthetic takes a synthetic host apart. The error says what is wrong
// with the name, as the rest of the sentence "<host> ...". The host must be in
// canonical form already, which ParseHost gives.
func ParseSynthetic(h, suffix Host) (Synthetic, error) {
	front, found := strings.CutSuffix(string(h), "."+string(suffix))
	if !found {
		return Synthetic{}, fmt.Errorf("is not below %q", suffix)
	}
	if strings.Contains(front, "*") {
		return Synthetic{}, fmt.Errorf("is a wildcard")
	}
	parts := strings.SplitN(front, ".", 3)
	if len(parts) < 3 {
		return Synthetic{}, fmt.Errorf("lacks one of its parts")
	}
	s := Synthetic{App: parts[0], Namespace: parts[1], Real: Host(parts[2])}
	if s.Real == suffix || s.Real.Under(suffix) {
		return Synthetic{}, fmt.Errorf("has a synthetic host as its real host")
	}
	if len(h) > validation.DNS1123SubdomainMaxLength {
		return Synthetic{}, fmt.Errorf("has %d characters, more than the %d of a DNS name", len(h), validation.DNS1123SubdomainMaxLength)
	}
	for _, label := range strings.Split(front, ".") {
		if len(validation.IsDNS1123Label(label)) > 0 {
			return Synthetic{}, fmt.Errorf("has a part %q that is not a DNS label (RFC 1123: at most 63 of a-z, 0-9 and '-')", label)
		}
	}
	return s, nil
}
