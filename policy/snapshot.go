package policy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// Snapshot is a World in memory. It may be read and changed at the same time.
// The zero value is empty and ready.
type Snapshot struct {
	mu      sync.RWMutex
	objects map[Kind]map[string]map[string]Object // by namespace, then name
	// index finds objects by what keysOf says of them. Each list is sorted.
	index map[indexKey][]Object
}

// indexKey is one thing that objects of a kind are found by.
type indexKey struct {
	kind Kind
	by   indexBy
	text string
}

type indexBy uint8

const (
	byHost     indexBy = iota // a host, as it is
	byWildcard                // what follows the '*' of a wildcard
	byParent                  // the Ref of a route's parent
	byLabel                   // the label that binds to a waypoint
	byWaypoint                // the waypoint that this label names
	byAddress                 // an address or a range of them
)

var _ World = (*Snapshot)(nil)

// Put adds the object, or replaces the one of its name.
func (s *Snapshot) Put(o Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := RefOf(o)
	s.remove(ref)
	s.add(ref, o)
}

// Delete removes the object of this name, if there is one.
func (s *Snapshot) Delete(ref Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(ref)
}

// Replace makes the given objects all that there are of a kind. Readers see
// either all of the old ones or all of the new ones.
func (s *Snapshot) Replace(kind Kind, objects []Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, kind)
	maps.DeleteFunc(s.index, func(key indexKey, _ []Object) bool { return key.kind == kind })
	latest := map[Ref]Object{} // of two with one name the last one counts, as with Put
	for _, o := range objects {
		latest[RefOf(o)] = o
	}
	// In order, so that each goes to the end of its list.
	for _, ref := range slices.SortedFunc(maps.Keys(latest), compareRefs) {
		s.add(ref, latest[ref])
	}
}

// Get returns the object of this name, nil if there is none.
func (s *Snapshot) Get(ref Ref) Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.objects[ref.Kind][ref.Namespace][ref.Name]
}

// Len counts the objects of a kind.
func (s *Snapshot) Len(kind Kind) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, named := range s.objects[kind] {
		n += len(named)
	}
	return n
}

// InNamespace returns all objects of a kind in a namespace.
func (s *Snapshot) InNamespace(kind Kind, namespace string) []Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.objects[kind][namespace]), byName)
}

// Named returns the objects that hold exactly this host.
func (s *Snapshot) Named(kind Kind, h Host) []Object {
	return s.lookup(indexKey{kind, byHost, string(h)})
}

// Covering returns the objects that hold a wildcard which covers the host.
func (s *Snapshot) Covering(kind Kind, h Host) []Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []Object
	rest := string(h)
	if h.Wildcard() {
		rest = rest[1:]
	}
	for i := range len(rest) + 1 {
		if h.Wildcard() && i == 0 {
			continue // the host itself
		}
		found = append(found, s.index[indexKey{kind, byWildcard, rest[i:]}]...)
	}
	slices.SortFunc(found, byName)
	return slices.Compact(found)
}

// Attached returns the routes of a kind that have this object as a parent.
func (s *Snapshot) Attached(kind Kind, parent Ref) []Object {
	return s.lookup(indexKey{kind, byParent, parent.String()})
}

// Bound returns the objects whose own label binds them to this waypoint.
func (s *Snapshot) Bound(kind Kind, waypoint Waypoint) []Object {
	return s.lookup(indexKey{kind, byWaypoint, waypoint.String()})
}

// Addressed returns the objects that hold these addresses.
func (s *Snapshot) Addressed(kind Kind, addresses netip.Prefix) []Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []Object
	for bits := range addresses.Bits() + 1 {
		around := netip.PrefixFrom(addresses.Addr(), bits).Masked()
		found = append(found, s.index[indexKey{kind, byAddress, around.String()}]...)
	}
	slices.SortFunc(found, byName)
	return slices.Compact(found)
}

// Labelled returns the objects of a kind that carry the waypoint label.
func (s *Snapshot) Labelled(kind Kind) []Object {
	return s.lookup(indexKey{kind, byLabel, useWaypointLabel})
}

func (s *Snapshot) lookup(key indexKey) []Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.index[key])
}

func (s *Snapshot) add(ref Ref, o Object) {
	if s.objects == nil {
		s.objects = map[Kind]map[string]map[string]Object{}
		s.index = map[indexKey][]Object{}
	}
	if s.objects[ref.Kind] == nil {
		s.objects[ref.Kind] = map[string]map[string]Object{}
	}
	if s.objects[ref.Kind][ref.Namespace] == nil {
		s.objects[ref.Kind][ref.Namespace] = map[string]Object{}
	}
	s.objects[ref.Kind][ref.Namespace][ref.Name] = o
	for _, key := range keysOf(o) {
		list := s.index[key]
		i, _ := slices.BinarySearchFunc(list, o, byName)
		s.index[key] = slices.Insert(list, i, o)
	}
}

func (s *Snapshot) remove(ref Ref) {
	o := s.objects[ref.Kind][ref.Namespace][ref.Name]
	if o == nil {
		return
	}
	delete(s.objects[ref.Kind][ref.Namespace], ref.Name)
	if len(s.objects[ref.Kind][ref.Namespace]) == 0 {
		delete(s.objects[ref.Kind], ref.Namespace)
	}
	for _, key := range keysOf(o) {
		list := s.index[key]
		i, _ := slices.BinarySearchFunc(list, o, byName)
		s.index[key] = slices.Delete(list, i, i+1)
		if len(s.index[key]) == 0 {
			delete(s.index, key)
		}
	}
}

func byName(a, b Object) int {
	return compareRefs(RefOf(a), RefOf(b))
}

func compareRefs(a, b Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// keysOf returns what an object is found by, each key once.
func keysOf(o Object) []indexKey {
	var keys []indexKey
	add := func(by indexBy, text string) {
		keys = append(keys, indexKey{o.Kind(), by, text})
	}
	for _, h := range hostsOf(o) {
		add(byHost, string(h))
		if h.Wildcard() {
			add(byWildcard, string(h[1:]))
		}
	}
	if route, ok := o.(*Route); ok {
		for _, parent := range route.parents() {
			add(byParent, parent.String())
		}
	}
	if _, ok := o.Metadata().Labels[useWaypointLabel]; ok {
		add(byLabel, useWaypointLabel)
	}
	if waypoint, ok := waypointLabel(o.Metadata(), namespaceOf(o)); ok {
		add(byWaypoint, waypoint.String())
	}
	for _, addresses := range addressesOf(o) {
		add(byAddress, addresses.String())
	}
	return keys
}

// namespaceOf returns the namespace that an object is in, or is.
func namespaceOf(o Object) string {
	if o.Kind() == NamespaceKind {
		return o.Metadata().Name
	}
	return o.Metadata().Namespace
}

// addressesOf returns the addresses that an object holds, each once.
func addressesOf(o Object) []netip.Prefix {
	var held []netip.Prefix
	switch o := o.(type) {
	case *ServiceEntry:
		for _, c := range o.claims() {
			held = append(held, c.addresses)
		}
		for _, addresses := range o.virtualAddresses() {
			// The ranges that istiod allocates from are reserved as a whole.
			if !holds(autoAllocated, addresses) {
				held = append(held, addresses)
			}
		}
	case *WorkloadEntry:
		if addresses, ok := parseAddresses(o.Spec.Address); ok {
			held = append(held, addresses)
		}
	}
	slices.SortFunc(held, netip.Prefix.Compare)
	return slices.Compact(held)
}

// hostsOf returns the hosts that an object holds, each once.
func hostsOf(o Object) []Host {
	var hosts []Host
	switch o := o.(type) {
	case *ServiceEntry:
		for _, h := range o.hosts() {
			hosts = append(hosts, h)
		}
	case *DestinationRule:
		hosts = append(hosts, ParseHost(o.Spec.Host))
	case *VirtualService:
		for _, h := range o.Spec.Hosts {
			hosts = append(hosts, ParseHost(h))
		}
	case *Route:
		for _, backend := range o.backends() {
			hosts = append(hosts, ParseHost(backend.Name))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
