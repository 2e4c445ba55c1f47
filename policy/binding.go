package policy

// Labels that istiod reads (istio.io/api label/labels.gen.go).
const (
	useWaypointLabel          = "istio.io/use-waypoint"
	useWaypointNamespaceLabel = "istio.io/use-waypoint-namespace"
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
