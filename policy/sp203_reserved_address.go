package policy

import (
	"fmt"
	"net/netip"
)

func reservedAddress() *Rule {
	return &Rule{
		ID:       "SP203",
		Name:     "reserved-address",
		Title:    "The virtual address of a host that leaves by an egress waypoint is nobody else's, nor is one that istiod may allocate.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind, WorkloadEntryKind},
		Check:    Checks{ServiceEntry: checkReservedAddresses, WorkloadEntry: checkReservedWorkload},
	}
}

func checkReservedAddresses(p *Pass, se *ServiceEntry) {
	if p.Config.EgressNamespace(se.Namespace) {
		checkClaimedBefore(p, se)
		return
	}
	for _, c := range se.claims() {
		checkClaim(p, se.Namespace, c)
	}
}

func checkReservedWorkload(p *Pass, w *WorkloadEntry) {
	if p.Config.EgressNamespace(w.Namespace) {
		return
	}
	if addresses, ok := parseAddresses(w.Spec.Address); ok {
		checkClaim(p, w.Namespace, claim{At("spec", "address"), w.Spec.Address, addresses})
	}
}

func checkClaim(p *Pass, namespace string, c claim) {
	f := Finding{At: c.at, Got: c.text, Remedy: "write another address"}
	if holds(autoAllocated, c.addresses) {
		f.Problem = "is of a range that istiod allocates virtual addresses from, so that it can take the traffic of any host"
		p.Report(f)
		return
	}
	if holder := addressHolder(p, namespace, c.addresses); holder != nil {
		f.Problem = "takes the virtual address of a host that leaves by an egress waypoint and is not of this namespace"
		f.Others = []Ref{RefOf(holder)}
		p.Report(f)
	}
}

// addressHolder returns a ServiceEntry of another namespace which protects a
// host that has one of these virtual addresses, nil if there is none.
func addressHolder(p *Pass, namespace string, claimed netip.Prefix) *ServiceEntry {
	candidates := p.World.Addressed(ServiceEntryKind, claimed)
	if !claimed.IsSingleIP() {
		// A range is compared with the hosts that can be protected alone, which
		// are few.
		candidates = append(candidates, protectable(p.Config, p.World)...)
	}
	for _, se := range typed[*ServiceEntry](candidates) {
		if se.Namespace != namespace && holds(se.virtualAddresses(), claimed) && protects(p.Config, p.World, se) {
			return se
		}
	}
	return nil
}

// checkClaimedBefore warns the platform of an address that tenants lay claim to
// already. Theirs are not taken away.
func checkClaimedBefore(p *Pass, se *ServiceEntry) {
	if !shared(p.Config, se) {
		return
	}
	for i, text := range se.Spec.Addresses {
		addresses, ok := parseAddresses(text)
		if !ok {
			continue
		}
		claimed := append(p.World.Addressed(ServiceEntryKind, addresses), p.World.Addressed(WorkloadEntryKind, addresses)...)
		var others []Ref
		for _, o := range claimed {
			if !p.Config.EgressNamespace(o.Metadata().Namespace) {
				others = append(others, RefOf(o))
			}
		}
		if len(others) == 0 {
			continue
		}
		p.Report(Finding{
			Severity: Warn,
			At:       At("spec", "addresses").Index(i),
			Got:      text,
			Problem:  fmt.Sprintf("is claimed outside of the egress namespaces by %s, and requests can follow those past the egress waypoint", counted(len(others), "object", "objects")),
			Remedy:   "have those changed, or leave the address to istiod",
			Others:   others,
		})
	}
}
