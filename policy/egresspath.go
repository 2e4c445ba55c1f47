package policy

import (
	"iter"
	"slices"
	"strings"
)

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
	for range egressParents(p, r) {
		return true
	}
	return false
}

// egressParents yields the parents by which the route attaches to such hosts,
// by their index. The ServiceEntry is nil when it is not there yet.
func egressParents(p *Pass, r *Route) iter.Seq2[int, *ServiceEntry] {
	return func(yield func(int, *ServiceEntry) bool) {
		for i := range r.Spec.ParentRefs {
			if se, egress := egressParent(p, r, &r.Spec.ParentRefs[i]); egress && !yield(i, se) {
				return
			}
		}
	}
}

func egressParent(p *Pass, r *Route, parent *ParentRef) (se *ServiceEntry, egress bool) {
	if !parent.serviceEntry() {
		return nil, false
	}
	namespace := r.Namespace
	if parent.Namespace != nil {
		namespace = *parent.Namespace
	}
	se = serviceEntryIn(p.World, namespace, parent.Name)
	// What is not there yet can be bound when it comes.
	return se, p.Config.EgressNamespace(namespace) || se != nil && leavesByEgress(p, se)
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
	var candidates []Object
	for _, w := range config.EgressWaypoints {
		candidates = append(candidates, world.Bound(ServiceEntryKind, w)...)
		candidates = append(candidates, world.InNamespace(ServiceEntryKind, w.Namespace)...)
		for _, namespace := range world.Bound(NamespaceKind, w) {
			candidates = append(candidates, world.InNamespace(ServiceEntryKind, namespace.Metadata().Name)...)
		}
	}
	return candidates
}

// ofNamespace tells whether the host is a synthetic one of the namespace.
func ofNamespace(config *Config, h Host, namespace string) bool {
	synthetic, err := ParseSynthetic(h, config.SyntheticSuffix)
	return err == nil && synthetic.Namespace == namespace
}

// fullHost returns the host that a DestinationRule or a VirtualService of a
// namespace means. istiod completes a name without a dot to that of a Service
// of the namespace (istio.io/istio pilot/pkg/model/config.go,
// ResolveShortnameToFQDN). A wildcard is taken as it stands: "*" is never
// completed, and nobody who writes "*invalid" means Services.
func fullHost(config *Config, namespace, name string) Host {
	h := ParseHost(name)
	if h == "" || h.Wildcard() || strings.Contains(name, ".") {
		return h
	}
	return Host(string(h) + "." + namespace + ".svc." + string(config.ClusterDomain))
}

// routesEgress tells whether the VirtualService has a say in traffic of an
// egress waypoint, as leavesByWaypoint does for routes: it sends to a synthetic
// host, it stands for a host that is synthetic or leaves by an egress waypoint,
// or one that does so leaves requests to it.
func routesEgress(p *Pass, vs *VirtualService) bool {
	return vs.sendsTo(p.Config.Synthetic) || standsForEgress(p, vs) || delegatedEgress(p, vs)
}

func standsForEgress(p *Pass, vs *VirtualService) bool {
	return vs.inMesh() && slices.ContainsFunc(vs.Spec.Hosts, func(name string) bool {
		h := fullHost(p.Config, vs.Namespace, name)
		return h.Reaches(p.Config.SyntheticSuffix) || len(protectors(p.Config, p.World, h)) > 0
	})
}

// delegatedEgress tells whether a VirtualService of the own or of an egress
// namespace leaves requests for such a host to this one, which has no hosts of
// its own then.
func delegatedEgress(p *Pass, vs *VirtualService) bool {
	if len(vs.Spec.Hosts) > 0 {
		return false
	}
	for _, namespace := range append(p.Config.egressNamespaces(), vs.Namespace) {
		for _, root := range typed[*VirtualService](p.World.InNamespace(VirtualServiceKind, namespace)) {
			if root.delegatesTo(RefOf(vs)) && standsForEgress(p, root) {
				return true
			}
		}
	}
	return false
}

// delegates yields the VirtualServices of the World that a rule of this one
// leaves requests to, with the path to the reference.
func (vs *VirtualService) delegates(world World) iter.Seq2[Path, *VirtualService] {
	return func(yield func(Path, *VirtualService) bool) {
		for i, http := range vs.Spec.HTTP {
			if http.Delegate == nil {
				continue
			}
			to, _ := world.Get(http.Delegate.ref(vs.Namespace)).(*VirtualService)
			if to != nil && !yield(At("spec", "http").Index(i).Key("delegate", "name"), to) {
				return
			}
		}
	}
}
