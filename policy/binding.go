package policy

// Labels that istiod reads (istio.io/api label/labels.gen.go).
const (
	useWaypointLabel          = "istio.io/use-waypoint"
	useWaypointNamespaceLabel = "istio.io/use-waypoint-namespace"
	canaryLabel               = "istio.io/use-waypoint-canary"
	canaryNamespaceLabel      = "istio.io/use-waypoint-canary-namespace"
	managedLabel              = "gateway.istio.io/managed"
	autoAllocateLabel         = "networking.istio.io/enable-autoallocate-ip"
)

// noWaypoint is the label value that opts out of a waypoint.
const noWaypoint = "none"

// egressWaypointAnnotation asks for an egress waypoint: "name" or
// "namespace/name" of a configured one.
const egressWaypointAnnotation = "sallyport.dev/egress-waypoint"

// waypointLabel returns the waypoint that the object's own labels name. ok is
// false without a label and for "none". An empty name, which istiod takes as
// the name of a waypoint that does not exist, is ok
// (istio.io/istio pilot/pkg/serviceregistry/ambient/waypoints.go, GetUseWaypoint).
func waypointLabel(m *Meta, defaultNamespace string) (w Waypoint, ok bool) {
	name, ok := m.Labels[useWaypointLabel]
	if !ok || name == noWaypoint {
		return Waypoint{}, false
	}
	w = Waypoint{Namespace: defaultNamespace, Name: name}
	if namespace, ok := m.Labels[useWaypointNamespaceLabel]; ok {
		w.Namespace = namespace
	}
	return w, true
}

// waypointOf returns the waypoint that a service is bound to: by its own
// labels or, when it has none, by those of its namespace.
func waypointOf(m *Meta, world World) (w Waypoint, ok bool) {
	if _, own := m.Labels[useWaypointLabel]; own {
		return waypointLabel(m, m.Namespace)
	}
	namespace := namespaceIn(world, m.Namespace)
	if namespace == nil {
		return Waypoint{}, false
	}
	return waypointLabel(&namespace.Meta, m.Namespace)
}

// canaryWaypoint returns the second waypoint that the object's own labels name.
// ok is false without a label, for an empty one and for "none" (istio.io/istio
// pilot/pkg/serviceregistry/ambient/waypoints.go, getUseWaypointCanary).
func canaryWaypoint(m *Meta, defaultNamespace string) (w Waypoint, ok bool) {
	name := m.Labels[canaryLabel]
	if name == "" || name == noWaypoint {
		return Waypoint{}, false
	}
	w = Waypoint{Namespace: defaultNamespace, Name: name}
	if namespace, ok := m.Labels[canaryNamespaceLabel]; ok {
		w.Namespace = namespace
	}
	return w, true
}

// inheritedCanary returns the second waypoint that a service takes over from
// its namespace. It does so only along with the first one
// (buildWeightedWaypoints, same file).
func inheritedCanary(m *Meta, world World) (w Waypoint, ok bool) {
	_, own := m.Labels[useWaypointLabel]
	_, ownCanary := m.Labels[canaryLabel]
	namespace := namespaceIn(world, m.Namespace)
	if own || ownCanary || namespace == nil {
		return Waypoint{}, false
	}
	return canaryWaypoint(&namespace.Meta, m.Namespace)
}

// bindsEgress tells whether a service is bound to an egress waypoint, as its
// first or its second one.
func bindsEgress(p *Pass, m *Meta) bool {
	first, ok := waypointOf(m, p.World)
	if ok && p.Config.IsEgressWaypoint(first) {
		return true
	}
	second, ok := canaryWaypoint(m, m.Namespace)
	if !ok {
		second, ok = inheritedCanary(m, p.World)
	}
	return ok && p.Config.IsEgressWaypoint(second)
}

// unlabelled returns the ServiceEntries of a namespace that take over its
// waypoint, as far as keep accepts them.
func unlabelled(p *Pass, namespace string, keep func(*ServiceEntry) bool) []Ref {
	var found []Ref
	for _, se := range typed[*ServiceEntry](p.World.InNamespace(ServiceEntryKind, namespace)) {
		if _, own := se.Labels[useWaypointLabel]; !own && keep(se) {
			found = append(found, RefOf(se))
		}
	}
	return found
}
