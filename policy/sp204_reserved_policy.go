package policy

import (
	"fmt"
	"slices"
)

func reservedPolicy() *Rule {
	return &Rule{
		ID:       "SP204",
		Name:     "reserved-policy",
		Title:    "A team sets policy and routes for no synthetic host of another team, for no shared host, and for none by wildcard.",
		Severity: Deny,
		Reads:    []Kind{DestinationRuleKind, NamespaceKind, ServiceEntryKind},
		Check: Checks{
			DestinationRule: checkReservedPolicy,
			ServiceEntry:    checkNoWildcardPolicy,
			VirtualService:  checkReservedRoutes,
		},
	}
}

func checkReservedPolicy(p *Pass, dr *DestinationRule) {
	if p.Config.EgressNamespace(dr.Namespace) {
		return
	}
	h := fullHost(p.Config, dr.Namespace, dr.Spec.Host)
	f := Finding{At: At("spec", "host"), Got: dr.Spec.Host}
	if f.Problem, f.Remedy = reservedProblem(p, dr.Namespace, h); f.Problem != "" {
		p.Report(f)
	} else if lent := sharesPolicy(p, dr, h); lent != nil {
		f.Problem = fmt.Sprintf("covers the synthetic host of ServiceEntry %s, which has no DestinationRule of its own and would leave with these settings", quote(lent.Name))
		f.Remedy = "write a DestinationRule for that host first"
		f.Others = []Ref{RefOf(lent)}
		p.Report(f)
	}
	checkReservedExport(p, dr.Namespace, dr.Spec.ExportTo, []Host{h})
}

func checkReservedRoutes(p *Pass, vs *VirtualService) {
	if p.Config.EgressNamespace(vs.Namespace) || !vs.inMesh() {
		return
	}
	var hosts []Host
	for i, name := range vs.Spec.Hosts {
		h := fullHost(p.Config, vs.Namespace, name)
		hosts = append(hosts, h)
		f := Finding{At: At("spec", "hosts").Index(i), Got: name}
		if f.Problem, f.Remedy = reservedProblem(p, vs.Namespace, h); f.Problem != "" {
			p.Report(f)
		}
	}
	checkReservedExport(p, vs.Namespace, vs.Spec.ExportTo, hosts)
}

// reservedProblem says why the namespace may set nothing for the host, "" if it
// may.
func reservedProblem(p *Pass, namespace string, h Host) (problem, remedy string) {
	switch {
	case h.Wildcard() && h != "*" && h.Reaches(p.Config.SyntheticSuffix):
		return "is a wildcard over synthetic hosts, which each have settings of their own", "name a single host"
	case p.Config.Synthetic(h):
		synthetic, err := ParseSynthetic(h, p.Config.SyntheticSuffix)
		if err == nil && synthetic.Namespace != namespace {
			return "is the synthetic host of another namespace", fmt.Sprintf("name one of %s, \"<app>.%s.<real host>.%s\"", namespace, namespace, p.Config.SyntheticSuffix)
		}
	case !ownsAll(p, namespace, h) && h.Wildcard():
		return "covers a host that leaves by an egress waypoint and is not this namespace's", "name the hosts that you mean"
	case !ownsAll(p, namespace, h):
		return "leaves by an egress waypoint and is not this namespace's", "map the host with a synthetic host of your own, or ask the team that owns it"
	}
	return "", ""
}

// ownsAll tells whether the namespace owns every host that leaves by an egress
// waypoint and that this one stands for, or that stands for this one.
func ownsAll(p *Pass, namespace string, h Host) bool {
	holders := protectors(p.Config, p.World, h)
	return !slices.ContainsFunc(holders, func(se *ServiceEntry) bool { return !ownerOf(p, namespace, se, holders, h) })
}

// sharesPolicy returns a ServiceEntry of the namespace with a synthetic host
// that takes its settings from this wildcard.
func sharesPolicy(p *Pass, dr *DestinationRule, h Host) *ServiceEntry {
	if !h.Wildcard() || !h.Reaches(p.Config.SyntheticSuffix) {
		return nil
	}
	for _, se := range typed[*ServiceEntry](p.World.InNamespace(ServiceEntryKind, dr.Namespace)) {
		for _, declared := range se.hosts() {
			if p.Config.Synthetic(declared) && len(exactRules(p, dr.Namespace, declared)) == 0 {
				return se
			}
		}
	}
	return nil
}

// exactRules returns the DestinationRules of the namespace for the host. istiod
// prefers them to wildcards (istio.io/istio pilot/pkg/model/config.go,
// MostSpecificHostMatch).
func exactRules(p *Pass, namespace string, h Host) []*DestinationRule {
	return slices.DeleteFunc(destinationRulesOf(p.World, h), func(dr *DestinationRule) bool { return dr.Namespace != namespace })
}

// checkNoWildcardPolicy judges the other end: a synthetic host that comes when
// the wildcard is there.
func checkNoWildcardPolicy(p *Pass, se *ServiceEntry) {
	if p.Config.EgressNamespace(se.Namespace) {
		return
	}
	for i, h := range se.hosts() {
		if !p.Config.Synthetic(h) || len(exactRules(p, se.Namespace, h)) > 0 {
			continue
		}
		for _, dr := range typed[*DestinationRule](p.World.Covering(DestinationRuleKind, h)) {
			if dr.Namespace != se.Namespace {
				continue
			}
			p.Report(Finding{
				At: At("spec", "hosts").Index(i), Got: se.Spec.Hosts[i],
				Problem: fmt.Sprintf("is covered by DestinationRule %s for %s and would leave with its settings", quote(dr.Name), quote(dr.Spec.Host)),
				Remedy:  "write a DestinationRule for this host first",
				Others:  []Ref{RefOf(dr)},
			})
		}
	}
}

// checkReservedExport refuses what is aimed at the proxies of the platform,
// unless it is about nothing but hosts that the namespace has there.
func checkReservedExport(p *Pass, namespace string, exportTo []string, hosts []Host) {
	own := func(h Host) bool {
		return ofNamespace(p.Config, h, namespace) || len(protectors(p.Config, p.World, h)) > 0 && ownsAll(p, namespace, h)
	}
	for i, to := range exportTo {
		if !p.Config.EgressNamespace(to) || !slices.ContainsFunc(hosts, func(h Host) bool { return !own(h) }) {
			continue
		}
		p.Report(Finding{
			At: At("spec", "exportTo").Index(i), Got: to,
			Problem: "is an egress namespace, whose proxies take their settings for this host from the platform",
			Remedy:  "remove it",
		})
	}
}
