package policy

import (
	"fmt"
	"strings"
)

func waypointResolves() *Rule {
	return &Rule{
		ID:       "SP002",
		Name:     "waypoint-resolves",
		Title:    "A host that is meant to leave by an egress waypoint does so: its labels name a configured one and nothing unbinds it.",
		Severity: Deny,
		Reads:    []Kind{GatewayKind, NamespaceKind},
		Check:    Checks{ServiceEntry: checkWaypointResolves},
	}
}

func checkWaypointResolves(p *Pass, se *ServiceEntry) {
	if !se.External() || declaresSynthetic(p.Config, se) {
		return
	}
	checkWaypointLabels(p, se)
	checkStaysBound(p, se)
}

func checkWaypointLabels(p *Pass, se *ServiceEntry) {
	value, labelled := se.Labels[useWaypointLabel]
	if !labelled || len(namesakes(p, se)) > 0 { // those are SP001's
		return
	}
	at := At("metadata", "labels").Key(useWaypointLabel)
	remedy := writeBinding(se, p.Config.EgressWaypoints)
	waypoint, binds := waypointLabel(&se.Meta, se.Namespace)
	wanted, annotated := se.Annotations[egressWaypointAnnotation]
	switch {
	case annotated && (!binds || wanted != waypoint.Name && wanted != waypoint.String()):
		p.Report(Finding{At: at, Got: value, Problem: fmt.Sprintf("contradicts the annotation %s: %s", egressWaypointAnnotation, quote(wanted)), Remedy: "remove one of the two"})
	case !binds && shared(p.Config, se):
		p.Report(Finding{At: at, Got: value, Problem: "unbinds a host that the platform shares, so that traffic to it goes out in plaintext", Remedy: remedy})
	case binds && !p.Config.IsEgressWaypoint(waypoint) && (annotated || meantForEgress(p, se, waypoint)):
		p.Report(Finding{At: at, Got: value, Problem: fmt.Sprintf("means %s, which is not an egress waypoint, so that traffic goes out in plaintext", quote(waypoint.String())), Remedy: remedy})
	}
}

// meantForEgress tells whether a waypoint label can only be meant for an
// egress waypoint. A waypoint of the own namespace is a tenant's own business.
func meantForEgress(p *Pass, se *ServiceEntry, labelled Waypoint) bool {
	if shared(p.Config, se) || p.Config.EgressNamespace(labelled.Namespace) {
		return true
	}
	sameName := p.Config.waypointsWhere(func(w Waypoint) bool { return w.Name == labelled.Name })
	return len(sameName) > 0 && labelled.Namespace != se.Namespace && gatewayIn(p.World, labelled.Namespace, labelled.Name) == nil
}

// checkStaysBound looks for what keeps istiod or ztunnel from sending the
// traffic of a bound host to the waypoint.
func checkStaysBound(p *Pass, se *ServiceEntry) {
	waypoint, bound := waypointOf(&se.Meta, p.World)
	if !shared(p.Config, se) && (!bound || !p.Config.IsEgressWaypoint(waypoint)) {
		return
	}
	labels := At("metadata", "labels")
	if value, ok := se.Labels[managedLabel]; ok {
		p.Report(Finding{At: labels.Key(managedLabel), Got: value, Problem: "can make istiod take the host for a waypoint and leave it unbound", Remedy: "remove the label"})
	}
	if len(se.Spec.Addresses) == 0 {
		checkGetsAddress(p, se)
	}
}

// checkGetsAddress looks for what keeps istiod from giving the host a virtual
// address, by which ztunnel knows its traffic (istio.io/istio
// pilot/pkg/networking/serviceentry, shouldV2AutoAllocateIPFromPieces;
// pilot/pkg/serviceregistry/ambient/services.go, constructServiceEntries).
func checkGetsAddress(p *Pass, se *ServiceEntry) {
	const unreached = ", so that the host gets no virtual address and its traffic never reaches the waypoint"
	at := At("metadata", "labels").Key(autoAllocateLabel)
	if value := se.Labels[autoAllocateLabel]; strings.EqualFold(value, "false") {
		p.Report(Finding{At: at, Got: value, Problem: "switches the allocation of addresses off" + unreached, Remedy: "remove the label, or write spec.addresses"})
	}
	f := Finding{At: At("spec", "resolution"), Got: se.Spec.Resolution, Remedy: `write "DNS" or "STATIC", or write spec.addresses`}
	switch se.Spec.Resolution {
	case "":
		f.Problem = "is missing, which means NONE" + unreached
		p.Report(f)
		return
	case "NONE":
		f.Problem = "leaves the destination to the client" + unreached
		p.Report(f)
		return
	case "DYNAMIC_DNS":
		return
	}
	for i, h := range se.hosts() {
		if h.Wildcard() {
			p.Report(Finding{
				At: At("spec", "hosts").Index(i), Got: se.Spec.Hosts[i],
				Problem: "is a wildcard, for which no address is allocated" + unreached,
				Remedy:  `name single hosts, or write spec.resolution: "DYNAMIC_DNS"`,
			})
		}
	}
}
