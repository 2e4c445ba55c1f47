package policy

import "slices"

// What is on the egress path, for rules that several kinds or fields share.

// declaresSynthetic tells whether the ServiceEntry has a synthetic host.
func declaresSynthetic(config *Config, se *ServiceEntry) bool {
	for _, h := range se.hosts() {
		if config.Synthetic(h) {
			return true
		}
	}
	return false
}

// shared tells whether the ServiceEntry is the platform's declaration of a
// real host, which all tenants reach through an egress waypoint.
func shared(config *Config, se *ServiceEntry) bool {
	return config.EgressNamespace(se.Namespace) && se.External() && !declaresSynthetic(config, se)
}

// leavesByWaypoint tells whether the route has a say in traffic of an egress
// waypoint: it attaches to a host that is bound to one, or it sends to a
// synthetic host.
func leavesByWaypoint(p *Pass, r *Route) bool {
	for _, backend := range r.backends() {
		if p.Config.Synthetic(ParseHost(backend.Name)) {
			return true
		}
	}
	return attachesToEgress(p, r)
}

// attachesToEgress tells whether the route attaches to a host that leaves by an
// egress waypoint. It attaches to ServiceEntries, but istiod takes nothing but
// their hosts from them (istio.io/istio
// pilot/pkg/config/kube/gateway/route_collections.go, HTTPRouteCollection), so
// that a route on an own ServiceEntry lands on every other one of the same host.
func attachesToEgress(p *Pass, r *Route) bool {
	for _, parent := range r.Spec.ParentRefs {
		if parent.Group == nil || *parent.Group != istioNetworkingGroup || parent.Kind == nil || *parent.Kind != "ServiceEntry" {
			continue
		}
		namespace := r.Namespace
		if parent.Namespace != nil {
			namespace = *parent.Namespace
		}
		// What is not there yet can be bound when it comes.
		if p.Config.EgressNamespace(namespace) {
			return true
		}
		if se := serviceEntryIn(p.World, namespace, parent.Name); se != nil && leavesByEgress(p, se) {
			return true
		}
	}
	return false
}

// leavesByEgress tells whether a host of the ServiceEntry leaves by an egress
// waypoint, by this ServiceEntry or by another one that declares it.
func leavesByEgress(p *Pass, se *ServiceEntry) bool {
	for _, h := range se.hosts() {
		if len(protectors(p.Config, p.World, h)) > 0 {
			return true
		}
	}
	return false
}

// protects tells whether the ServiceEntry makes its hosts protected: it is the
// platform's, or it is bound to an egress waypoint.
func protects(config *Config, world World, se *ServiceEntry) bool {
	if shared(config, se) {
		return true
	}
	if !se.External() || declaresSynthetic(config, se) {
		return false
	}
	waypoint, ok := waypointOf(&se.Meta, world)
	return ok && config.IsEgressWaypoint(waypoint)
}

// protectors returns the ServiceEntries that protect a host which this one
// stands for, or that stands for this one. Sorted, each once.
//
// A wildcard is compared with the hosts that can be protected alone, which are
// few beside the mappings: those of the egress namespaces and those that are
// bound by a label of their own or of their namespace.
func protectors(config *Config, world World, h Host) []*ServiceEntry {
	candidates := append(world.Named(ServiceEntryKind, h), world.Covering(ServiceEntryKind, h)...)
	if h.Wildcard() {
		candidates = append(candidates, protectable(config, world)...)
	}
	var found []*ServiceEntry
	for _, se := range typed[*ServiceEntry](candidates) {
		overlaps := func(o Host) bool { return h.Overlaps(o) }
		if slices.ContainsFunc(hostsOf(se), overlaps) && protects(config, world, se) {
			found = append(found, se)
		}
	}
	slices.SortFunc(found, func(a, b *ServiceEntry) int { return byName(a, b) })
	return slices.Compact(found)
}

// protectable returns every ServiceEntry that can protect its hosts.
func protectable(config *Config, world World) []Object {
	candidates := world.Labelled(ServiceEntryKind)
	for _, w := range config.EgressWaypoints {
		candidates = append(candidates, world.InNamespace(ServiceEntryKind, w.Namespace)...)
	}
	for _, namespace := range world.Labelled(NamespaceKind) {
		candidates = append(candidates, world.InNamespace(ServiceEntryKind, namespace.Metadata().Name)...)
	}
	return candidates
}
