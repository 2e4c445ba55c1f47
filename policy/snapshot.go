package policy

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// Snapshot is a World in memory, indexed by name, namespace and host. It may
// be read and changed at the same time. The zero value is empty and ready.
type Snapshot struct {
	mu      sync.RWMutex
	objects map[Kind]map[string]map[string]Object // by namespace, then name
	byHost  map[hostKey][]Object
}

type hostKey struct {
	kind Kind
	host Host
}

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
	maps.DeleteFunc(s.byHost, func(key hostKey, _ []Object) bool { return key.kind == kind })
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

func (s *Snapshot) Namespace(name string) *Namespace {
	return get[*Namespace](s, Ref{NamespaceKind, "", name})
}

func (s *Snapshot) Gateway(namespace, name string) *Gateway {
	return get[*Gateway](s, Ref{GatewayKind, namespace, name})
}

func (s *Snapshot) ServiceEntry(namespace, name string) *ServiceEntry {
	return get[*ServiceEntry](s, Ref{ServiceEntryKind, namespace, name})
}

func (s *Snapshot) ServiceEntriesOf(h Host) []*ServiceEntry {
	return of[*ServiceEntry](s, hostKey{ServiceEntryKind, h})
}

func (s *Snapshot) DestinationRulesOf(h Host) []*DestinationRule {
	return of[*DestinationRule](s, hostKey{DestinationRuleKind, h})
}

// get returns the zero T, which is nil for our pointer types, for an absence.
func get[T Object](s *Snapshot, ref Ref) T {
	o, _ := s.Get(ref).(T)
	return o
}

func of[T Object](s *Snapshot, key hostKey) []T {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := s.byHost[key]
	if len(found) == 0 {
		return nil
	}
	objects := make([]T, len(found))
	for i, o := range found {
		objects[i] = o.(T)
	}
	return objects
}

func (s *Snapshot) add(ref Ref, o Object) {
	if s.objects == nil {
		s.objects = map[Kind]map[string]map[string]Object{}
		s.byHost = map[hostKey][]Object{}
	}
	if s.objects[ref.Kind] == nil {
		s.objects[ref.Kind] = map[string]map[string]Object{}
	}
	if s.objects[ref.Kind][ref.Namespace] == nil {
		s.objects[ref.Kind][ref.Namespace] = map[string]Object{}
	}
	s.objects[ref.Kind][ref.Namespace][ref.Name] = o
	for _, h := range hostsOf(o) {
		key := hostKey{ref.Kind, h}
		holders := s.byHost[key]
		i, _ := slices.BinarySearchFunc(holders, o, byName)
		s.byHost[key] = slices.Insert(holders, i, o)
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
	for _, h := range hostsOf(o) {
		key := hostKey{ref.Kind, h}
		holders := s.byHost[key]
		i, _ := slices.BinarySearchFunc(holders, o, byName)
		s.byHost[key] = slices.Delete(holders, i, i+1)
		if len(s.byHost[key]) == 0 {
			delete(s.byHost, key)
		}
	}
}

func byName(a, b Object) int {
	return compareRefs(RefOf(a), RefOf(b))
}

func compareRefs(a, b Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// hostsOf returns the hosts that an object is found by, each once.
func hostsOf(o Object) []Host {
	var hosts []Host
	switch o := o.(type) {
	case *ServiceEntry:
		for _, h := range o.hosts() {
			hosts = append(hosts, h)
		}
	case *DestinationRule:
		hosts = append(hosts, ParseHost(o.Spec.Host))
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
