package policy

import (
	"maps"
	"net/netip"
	"slices"
)

// asked is a World that notes which kinds it was asked for.
type asked struct {
	world World
	kinds map[Kind]bool
}

func newAsked(world World) asked { return asked{world: world, kinds: map[Kind]bool{}} }

func (a asked) Get(ref Ref) Object {
	a.kinds[ref.Kind] = true
	return a.world.Get(ref)
}

func (a asked) InNamespace(kind Kind, namespace string) []Object {
	a.kinds[kind] = true
	return a.world.InNamespace(kind, namespace)
}

func (a asked) Named(kind Kind, h Host) []Object {
	a.kinds[kind] = true
	return a.world.Named(kind, h)
}

func (a asked) Covering(kind Kind, h Host) []Object {
	a.kinds[kind] = true
	return a.world.Covering(kind, h)
}

func (a asked) Attached(kind Kind, parent Ref) []Object {
	a.kinds[kind] = true
	return a.world.Attached(kind, parent)
}

func (a asked) Bound(kind Kind, waypoint Waypoint) []Object {
	a.kinds[kind] = true
	return a.world.Bound(kind, waypoint)
}

func (a asked) Addressed(kind Kind, addresses netip.Prefix) []Object {
	a.kinds[kind] = true
	return a.world.Addressed(kind, addresses)
}

func (a asked) Labelled(kind Kind) []Object {
	a.kinds[kind] = true
	return a.world.Labelled(kind)
}

// NotJudged is a rule that could not be judged for want of objects.
type NotJudged struct {
	Rule *Rule
	// Needs is the kind of which the World holds nothing but, perhaps, the
	// object under review.
	Needs Kind
}

// Unjudged returns the rules that asked the World for a kind that it holds
// nothing of. A World from files is rarely complete, so this tells the user
// what a verdict does not rest on. Sorted by rule, then kind.
func Unjudged(rules []*Rule, config *Config, world *Snapshot, object Object) []NotJudged {
	var missing []NotJudged
	for _, rule := range rules {
		a := newAsked(world)
		Review([]*Rule{rule}, config, a, object)
		for _, kind := range slices.Sorted(maps.Keys(a.kinds)) {
			if world.Len(kind) == 0 || world.Len(kind) == 1 && world.Get(RefOf(object)) != nil && object.Kind() == kind {
				missing = append(missing, NotJudged{Rule: rule, Needs: kind})
			}
		}
	}
	return missing
}
