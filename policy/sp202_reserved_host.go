package policy

import (
	"fmt"
	"slices"
	"strings"
)

func reservedHost() *Rule {
	return &Rule{
		ID:       "SP202",
		Name:     "reserved-host",
		Title:    "A host that leaves by an egress waypoint is declared by nobody but its owner, in no spelling and under no wildcard.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{ServiceEntry: checkReservedHost},
	}
}

func checkReservedHost(p *Pass, se *ServiceEntry) {
	if p.Config.EgressNamespace(se.Namespace) {
		checkDeclaredBefore(p, se)
		return
	}
	for i, h := range se.hosts() {
		if p.Config.Synthetic(h) {
			continue // SP501's
		}
		f := Finding{At: At("spec", "hosts").Index(i), Got: se.Spec.Hosts[i]}
		if h.Reaches(p.Config.SyntheticSuffix) {
			f.Problem = fmt.Sprintf("is a wildcard that covers the synthetic hosts, which end in %q", "."+p.Config.SyntheticSuffix)
			f.Remedy = "name the hosts that you mean"
			p.Report(f)
			continue
		}
		holder, asWhat := foreignHolder(p, se.Namespace, h)
		if holder == nil {
			continue
		}
		f.Problem = asWhat
		if bindsEgress(p, &se.Meta) {
			// Worse than an old declaration that is not bound, so not the same finding.
			f.Problem += " already"
		}
		f.Remedy = "remove it, or ask the team that owns the host"
		if p.Config.EgressNamespace(holder.Namespace) {
			f.Remedy = "remove it: workloads reach the host without a ServiceEntry of yours"
		}
		f.Others = []Ref{RefOf(holder)}
		p.Report(f)
	}
}

// foreignHolder returns a ServiceEntry of another namespace which protects a
// host that h stands for, and what h is to that host. It returns nil if there
// is none or if the host is the namespace's own.
func foreignHolder(p *Pass, namespace string, h Host) (holder *ServiceEntry, asWhat string) {
	for _, name := range lookedUpAs(p.Config, namespace, h) {
		holders := protectors(p.Config, p.World, name)
		i := slices.IndexFunc(holders, func(holder *ServiceEntry) bool { return !ownerOf(p, namespace, holder, holders, name) })
		if i < 0 {
			continue
		}
		whose := "of another namespace"
		if p.Config.EgressNamespace(holders[i].Namespace) {
			whose = "of the platform"
		}
		switch {
		case name != h:
			return holders[i], fmt.Sprintf("is what Pods look up, too, when they look up a host %s that leaves by an egress waypoint", whose)
		case slices.Contains(hostsOf(holders[i]), h):
			return holders[i], fmt.Sprintf("is a host %s that leaves by an egress waypoint", whose)
		case h.Wildcard():
			return holders[i], fmt.Sprintf("is a wildcard that overlaps with a host %s that leaves by an egress waypoint", whose)
		}
		return holders[i], fmt.Sprintf("lies under a wildcard %s that leaves by an egress waypoint", whose)
	}
	return nil, ""
}

// ownerOf tells whether the namespace owns what the holder protects. The first
// one to bind a host to an egress waypoint owns it, so that who owns all that
// the name stands for keeps it when another namespace came to hold it, too.
// What the platform shares is the platform's.
func ownerOf(p *Pass, namespace string, holder *ServiceEntry, holders []*ServiceEntry, name Host) bool {
	if holder.Namespace == namespace {
		return true
	}
	if p.Config.EgressNamespace(holder.Namespace) {
		return false
	}
	return slices.ContainsFunc(holders, func(own *ServiceEntry) bool {
		return own.Namespace == namespace && slices.ContainsFunc(hostsOf(own), func(held Host) bool { return held.Covers(name) })
	})
}

// lookedUpAs returns the host, and those that a Pod means when it looks the host
// up. A Pod's search list completes "a.com" to
// "a.com.<namespace>.svc.cluster.local", "a.com.svc.cluster.local" and
// "a.com.cluster.local" before it asks for "a.com", and ztunnel answers what it
// is asked for before it takes the search list off (istio/ztunnel
// src/dns/server.rs, get_aliases). Completed in the own namespace, a bare
// wildcard meets the own Pods only.
func lookedUpAs(config *Config, namespace string, h Host) []Host {
	names := []Host{h}
	if h.Covers("*.svc." + config.ClusterDomain) {
		return append(names, "*")
	}
	rest, found := strings.CutSuffix(string(h), "."+string(config.ClusterDomain))
	if !found {
		return names
	}
	names = append(names, Host(rest))
	if rest, found = strings.CutSuffix(rest, ".svc"); !found {
		return names
	}
	names = append(names, Host(rest))
	i := strings.LastIndexByte(rest, '.')
	if i < 0 || rest[:i] == "*" && rest[i+1:] == namespace {
		return names
	}
	return append(names, Host(rest[:i]))
}

// checkDeclaredBefore warns the platform of a host that tenants declare already.
// Theirs are not taken away, and istiod may prefer them (istio.io/istio
// pilot/pkg/serviceregistry/ambient/services.go, selectWorkloadServices).
func checkDeclaredBefore(p *Pass, se *ServiceEntry) {
	if !shared(p.Config, se) {
		return
	}
	for i, h := range se.hosts() {
		declared := append(p.World.Named(ServiceEntryKind, h), p.World.Covering(ServiceEntryKind, h)...)
		var others []Ref
		for _, o := range declared {
			if !p.Config.EgressNamespace(o.Metadata().Namespace) {
				others = append(others, RefOf(o))
			}
		}
		if len(others) == 0 {
			continue
		}
		p.Report(Finding{
			Severity: Warn,
			At:       At("spec", "hosts").Index(i),
			Got:      se.Spec.Hosts[i],
			Problem:  fmt.Sprintf("is declared outside of the egress namespaces by %s, and requests can follow those past the egress waypoint", counted(len(others), "ServiceEntry", "ServiceEntries")),
			Remedy:   "have those removed",
			Others:   others,
		})
	}
}
