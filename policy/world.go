package policy

import "net/netip"

// World is what the cluster holds besides the object under review. It is
// complete: what it does not return does not exist. It answers at once and
// cannot fail; a driver that cannot give such a World must not ask for a
// judgement. Lists are sorted by namespace and name, and are the caller's.
type World interface {
	// Get returns nil for what does not exist.
	Get(ref Ref) Object
	// InNamespace returns all objects of a kind in a namespace.
	InNamespace(kind Kind, namespace string) []Object
	// Named returns the objects that hold exactly this host: that declare it
	// (ServiceEntry), set its policy (DestinationRule, VirtualService), or send
	// to it (routes). A wildcard is a host like any other here.
	Named(kind Kind, h Host) []Object
	// Covering returns the objects that hold a wildcard which covers the host,
	// but is not the host itself.
	Covering(kind Kind, h Host) []Object
	// Attached returns the routes of a kind that have this object as a parent.
	Attached(kind Kind, parent Ref) []Object
	// Bound returns the objects of a kind whose own label binds them to this
	// waypoint. The label of a Namespace means one of the same namespace.
	Bound(kind Kind, waypoint Waypoint) []Object
	// Addressed returns the objects that hold this address, or a range around
	// it, as a virtual address or as an endpoint (ServiceEntry, WorkloadEntry).
	Addressed(kind Kind, addresses netip.Prefix) []Object
	// Labelled returns the objects of a kind that carry the label
	// istio.io/use-waypoint, whatever its value.
	Labelled(kind Kind) []Object
}

// find returns the zero T, which is nil for our pointer types, for an absence.
func find[T Object](w World, kind Kind, namespace, name string) T {
	o, _ := w.Get(Ref{kind, namespace, name}).(T)
	return o
}

// typed converts a list of objects that are all of one type.
func typed[T Object](objects []Object) []T {
	if len(objects) == 0 {
		return nil
	}
	list := make([]T, len(objects))
	for i, o := range objects {
		list[i] = o.(T)
	}
	return list
}

func namespaceIn(w World, name string) *Namespace {
	return find[*Namespace](w, NamespaceKind, "", name)
}

func gatewayIn(w World, namespace, name string) *Gateway {
	return find[*Gateway](w, GatewayKind, namespace, name)
}

func serviceEntryIn(w World, namespace, name string) *ServiceEntry {
	return find[*ServiceEntry](w, ServiceEntryKind, namespace, name)
}

func serviceEntriesOf(w World, h Host) []*ServiceEntry {
	return typed[*ServiceEntry](w.Named(ServiceEntryKind, h))
}

func destinationRulesOf(w World, h Host) []*DestinationRule {
	return typed[*DestinationRule](w.Named(DestinationRuleKind, h))
}
