package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// model is a World as a plain list, searched from end to end.
type model []Object

func (m *model) put(o Object) {
	m.delete(RefOf(o))
	*m = append(*m, o)
}

func (m *model) delete(ref Ref) {
	*m = slices.DeleteFunc(*m, func(o Object) bool { return RefOf(o) == ref })
}

func (m *model) replace(kind Kind, objects []Object) {
	*m = slices.DeleteFunc(*m, func(o Object) bool { return o.Kind() == kind })
	for _, o := range objects {
		m.put(o)
	}
}

// of returns the objects of a kind that hold the host, sorted.
func (m model) of(kind Kind, h Host) []Object {
	var found []Object
	for _, o := range m {
		var hosts []string
		switch o := o.(type) {
		case *ServiceEntry:
			hosts = o.Spec.Hosts
		case *DestinationRule:
			hosts = []string{o.Spec.Host}
		}
		if o.Kind() == kind && slices.ContainsFunc(hosts, func(s string) bool { return ParseHost(s) == h }) {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b Object) int { return compareRefs(RefOf(a), RefOf(b)) })
	return found
}

func objects[T Object](list []T) []Object {
	var all []Object
	for _, o := range list {
		all = append(all, o)
	}
	return all
}

var (
	snapshotNamespaces = []string{"team-a", "team-b"}
	snapshotNames      = []string{"x", "y", "z"}
	snapshotHosts      = []string{"a.com", "b.com", "*.com", "A.com."}
)

func pick(random *rand.Rand, choices []string) string { return choices[random.IntN(len(choices))] }

func anyStored(random *rand.Rand) Object {
	meta := Meta{Namespace: pick(random, snapshotNamespaces), Name: pick(random, snapshotNames)}
	switch random.IntN(4) {
	case 0:
		return &DestinationRule{Meta: meta, Spec: DestinationRuleSpec{Host: pick(random, snapshotHosts)}}
	case 1:
		return &Gateway{Meta: meta}
	case 2:
		meta.Namespace = ""
		return &Namespace{Meta: meta}
	}
	se := &ServiceEntry{Meta: meta}
	for range random.IntN(4) {
		se.Spec.Hosts = append(se.Spec.Hosts, pick(random, snapshotHosts))
	}
	return se
}

// TestSnapshotFollowsItsModel compares all answers after each of many random
// changes.
func TestSnapshotFollowsItsModel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var world Snapshot
	var list model
	for step := range 4000 {
		o := anyStored(random)
		switch random.IntN(8) {
		case 0, 1, 2:
			world.Delete(RefOf(o))
			list.delete(RefOf(o))
		case 3:
			var all []Object
			for range random.IntN(6) {
				if other := anyStored(random); other.Kind() == o.Kind() {
					all = append(all, other)
				}
			}
			world.Replace(o.Kind(), all)
			list.replace(o.Kind(), all)
		default:
			world.Put(o)
			list.put(o)
		}
		compareWithModel(t, &world, list)
		if t.Failed() {
			t.Fatalf("after step %d", step)
		}
	}
}

func compareWithModel(t *testing.T, world *Snapshot, list model) {
	t.Helper()
	for _, kind := range []Kind{ServiceEntryKind, DestinationRuleKind, GatewayKind, NamespaceKind, HTTPRouteKind} {
		n := 0
		for _, o := range list {
			if o.Kind() == kind {
				n++
			}
		}
		if got := world.Len(kind); got != n {
			t.Errorf("Len(%s) = %d, want %d", kind, got, n)
		}
	}
	for _, name := range snapshotNames {
		for _, namespace := range append(snapshotNamespaces, "") {
			for _, kind := range []Kind{ServiceEntryKind, DestinationRuleKind, GatewayKind, NamespaceKind} {
				ref := Ref{kind, namespace, name}
				i := slices.IndexFunc(list, func(o Object) bool { return RefOf(o) == ref })
				if got := world.Get(ref); i < 0 && got != nil || i >= 0 && got != list[i] {
					t.Errorf("Get(%s) = %v", ref, got)
				}
			}
			// Typed answers: nil that compares equal to nil.
			if (serviceEntryIn(world, namespace, name) == nil) != (world.Get(Ref{ServiceEntryKind, namespace, name}) == nil) ||
				(gatewayIn(world, namespace, name) == nil) != (world.Get(Ref{GatewayKind, namespace, name}) == nil) {
				t.Errorf("typed answers differ for %s/%s", namespace, name)
			}
		}
		if (namespaceIn(world, name) == nil) != (world.Get(Ref{NamespaceKind, "", name}) == nil) {
			t.Errorf("typed answer differs for namespace %s", name)
		}
	}
	for _, h := range []Host{"a.com", "b.com", "*.com", "x.com", ""} {
		if got, want := objects(serviceEntriesOf(world, h)), list.of(ServiceEntryKind, h); !slices.Equal(got, want) {
			t.Errorf("ServiceEntriesOf(%q) = %v, want %v", h, got, want)
		}
		if got, want := objects(destinationRulesOf(world, h)), list.of(DestinationRuleKind, h); !slices.Equal(got, want) {
			t.Errorf("DestinationRulesOf(%q) = %v, want %v", h, got, want)
		}
	}
}

// TestSnapshotForgetsEmptyMaps: what comes and goes leaves nothing behind.
func TestSnapshotForgetsEmptyMaps(t *testing.T) {
	var world Snapshot
	for i := range 10 {
		se := &ServiceEntry{Meta: Meta{Namespace: fmt.Sprint("team-", i), Name: "x"}, Spec: ServiceEntrySpec{Hosts: []string{fmt.Sprintf("host%d.com", i)}}}
		world.Put(se)
		world.Delete(RefOf(se))
	}
	if len(world.index) > 0 || len(world.objects[ServiceEntryKind]) > 0 {
		t.Errorf("left behind: %v, %v", world.index, world.objects)
	}
}

// TestSnapshotUnderLoad is for the race detector. A reader sees a Replace as a
// whole, and a list that it was given does not change under its hands.
func TestSnapshotUnderLoad(t *testing.T) {
	var world Snapshot
	entries := func(n int) []Object {
		var all []Object
		for i := range n {
			all = append(all, &ServiceEntry{Meta: Meta{Namespace: "team-a", Name: fmt.Sprint(i)}, Spec: ServiceEntrySpec{Hosts: []string{"a.com"}}})
		}
		return all
	}
	few, many := entries(2), entries(20)
	world.Replace(ServiceEntryKind, few)
	var readers, writers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := serviceEntriesOf(&world, "a.com")
				if len(got) != len(few) && len(got) != len(many) {
					t.Errorf("a half-made Replace: %d objects", len(got))
					return
				}
				for i, se := range got {
					if se == nil || i > 0 && se == got[i-1] {
						t.Errorf("element %d changed", i)
						return
					}
				}
				serviceEntryIn(&world, "team-a", "0")
				world.Len(ServiceEntryKind)
			}
		})
	}
	for range 2 {
		writers.Go(func() {
			for range 200 {
				world.Replace(ServiceEntryKind, many)
				world.Replace(ServiceEntryKind, few)
				world.Put(&Gateway{Meta: Meta{Namespace: "team-a", Name: "g"}})
				world.Delete(Ref{GatewayKind, "team-a", "g"})
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// TestSnapshotTakesLargeObjects: one object with very many hosts, as large as
// the API server takes, must not keep the index busy for long.
func TestSnapshotTakesLargeObjects(t *testing.T) {
	se := &ServiceEntry{Meta: Meta{Namespace: "team-a", Name: "x"}}
	for i := range 100_000 {
		se.Spec.Hosts = append(se.Spec.Hosts, fmt.Sprintf("h%d.com", i))
	}
	var world Snapshot
	start := time.Now()
	world.Put(se)
	world.Put(se)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %s: does the time grow with the square of the hosts?", took)
	}
	if got := serviceEntriesOf(&world, "h99999.com"); len(got) != 1 {
		t.Errorf("found %d", len(got))
	}
	world.Delete(RefOf(se))
	if len(world.index) > 0 {
		t.Errorf("%d hosts left behind", len(world.index))
	}
}
