package policy

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
		for _, other := range serviceEntriesOf(p.World, h) {
			if boundToEgress(p, other) {
				return true
			}
		}
	}
	return false
}

// boundToEgress tells whether the ServiceEntry is bound to an egress waypoint,
// or is the platform's and so ought to be.
func boundToEgress(p *Pass, se *ServiceEntry) bool {
	if p.Config.EgressNamespace(se.Namespace) {
		return true
	}
	waypoint, bound := waypointOf(&se.Meta, p.World)
	return bound && p.Config.IsEgressWaypoint(waypoint)
}
