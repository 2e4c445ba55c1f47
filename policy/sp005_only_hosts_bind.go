package policy

import (
	"fmt"
	"maps"
)

func onlyHostsBind() *Rule {
	return &Rule{
		ID:       "SP005",
		Name:     "only-hosts-bind",
		Title:    "Nothing but ServiceEntries is bound to an egress waypoint, and no namespace binds a synthetic host.",
		Severity: Deny,
		Reads:    []Kind{ServiceEntryKind},
		Check: Checks{
			Namespace:     checkNamespaceBinds,
			Service:       checkServiceBinds,
			ServiceEntry:  checkEndpointsBind,
			WorkloadEntry: checkWorkloadBinds,
		},
	}
}

// Values of the label gateway.istio.io/managed that make a Service that of a
// waypoint or of another gateway of Istio's, which has no waypoint (istio.io/istio
// pilot/pkg/serviceregistry/ambient/waypoints.go, fetchWaypointForService;
// pkg/config/constants/constants.go).
const (
	managedByMesh     = "istio.io-mesh-controller"
	managedByEastWest = "istio.io-eastwest-controller"
)

func checkServiceBinds(p *Pass, s *Service) {
	if managed := s.Labels[managedLabel]; managed == managedByMesh || managed == managedByEastWest {
		return
	}
	f := Finding{
		Problem: "binds a Service to an egress waypoint, which is for hosts outside of the mesh and uses the certificates of all teams",
		Remedy:  fmt.Sprintf("name a waypoint of your own, or write %q", noWaypoint),
	}
	labels := At("metadata", "labels")
	if waypoint, ok := waypointLabel(&s.Meta, s.Namespace); ok && p.Config.IsEgressWaypoint(waypoint) {
		f.At, f.Got = labels.Key(useWaypointLabel), s.Labels[useWaypointLabel]
		p.Report(f)
	}
	if waypoint, ok := canaryWaypoint(&s.Meta, s.Namespace); ok && p.Config.IsEgressWaypoint(waypoint) {
		f.At, f.Got = labels.Key(canaryLabel), s.Labels[canaryLabel]
		p.Report(f)
	}
}

func checkWorkloadBinds(p *Pass, w *WorkloadEntry) {
	at := At("metadata", "labels").Key(useWaypointLabel)
	if _, ok := w.Labels[useWaypointLabel]; !ok {
		at = At("spec", "labels").Key(useWaypointLabel)
	}
	// istiod puts both together, those of the metadata on top (istio.io/istio
	// pilot/pkg/serviceregistry/serviceentry/conversion.go,
	// ConvertClientWorkloadEntry).
	labels := map[string]string{}
	maps.Copy(labels, w.Spec.Labels)
	maps.Copy(labels, w.Labels)
	checkAddressBinds(p, w.Namespace, at, labels)
}

func checkEndpointsBind(p *Pass, se *ServiceEntry) {
	for i, endpoint := range se.Spec.Endpoints {
		at := At("spec", "endpoints").Index(i).Key("labels", useWaypointLabel)
		checkAddressBinds(p, se.Namespace, at, endpoint.Labels)
	}
}

func checkAddressBinds(p *Pass, namespace string, at Path, labels map[string]string) {
	waypoint, ok := waypointLabel(&Meta{Labels: labels}, namespace)
	if !ok || !p.Config.IsEgressWaypoint(waypoint) {
		return
	}
	p.Report(Finding{
		At: at, Got: labels[useWaypointLabel],
		Problem: "binds an address to an egress waypoint, which is for hosts alone",
		Remedy:  "remove the label; a ServiceEntry is bound by its own labels",
	})
}

// checkNamespaceBinds warns of a label that binds synthetic hosts which are
// there already. New ones get a label of their own (SP003).
func checkNamespaceBinds(p *Pass, n *Namespace) {
	waypoint, ok := waypointLabel(&n.Meta, n.Name)
	if !ok {
		return
	}
	bound := unlabelled(p, n.Name, func(se *ServiceEntry) bool { return declaresSynthetic(p.Config, se) })
	if len(bound) == 0 {
		return
	}
	p.Report(Finding{
		Severity: Warn,
		At:       At("metadata", "labels").Key(useWaypointLabel),
		Got:      waypoint.Name,
		Problem:  fmt.Sprintf("binds the synthetic hosts of %s, so that any workload could use their certificates", counted(len(bound), "ServiceEntry", "ServiceEntries")),
		Remedy:   fmt.Sprintf("label them %s: %s", useWaypointLabel, noWaypoint),
		Others:   bound,
	})
}
