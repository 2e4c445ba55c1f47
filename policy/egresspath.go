package policy

// What is on the egress path, for rules that several kinds or fields share.

const istioNetworkingGroup = "networking.istio.io"

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
func leavesByWaypoint(p *Pass, r *HTTPRoute) bool {
	for _, backend := range r.backends() {
		if p.Config.Synthetic(ParseHost(backend.Name)) {
			return true
		}
	}
	return attachesToEgress(p, r)
}

// attachesToEgress tells whether the route attaches to a ServiceEntry of an
// egress namespace, or to another one that is bound to an egress waypoint.
func attachesToEgress(p *Pass, r *HTTPRoute) bool {
	for _, parent := range r.Spec.ParentRefs {
		if parent.Group == nil || *parent.Group != istioNetworkingGroup || parent.Kind == nil || *parent.Kind != "ServiceEntry" {
			continue
		}
		namespace := r.Namespace
		if parent.Namespace != nil {
			namespace = *parent.Namespace
		}
		if p.Config.EgressNamespace(namespace) {
			return true
		}
		se := p.World.ServiceEntry(namespace, parent.Name)
		if se == nil {
			continue
		}
		if waypoint, ok := waypointOf(&se.Meta, p.World); ok && p.Config.IsEgressWaypoint(waypoint) {
			return true
		}
	}
	return false
}
