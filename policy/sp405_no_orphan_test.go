package policy

import "testing"

// TestNothingHoldsUpWhatIsLeaving: no page can show this, because nobody can
// write a deletionTimestamp.
func TestNothingHoldsUpWhatIsLeaving(t *testing.T) {
	page, err := PageOf("SP405")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(world *Snapshot, ref Ref) bool {
		return len(ReviewDeletion(Rules(), page.Config, world, world.Get(ref))) > 0
	}
	const when = "2026-01-01T00:00:00Z"
	for _, m := range page.BadDelete {
		ref := RefOf(m.Object)
		world := page.Snapshot()
		world.Put(&Namespace{Meta: Meta{Name: ref.Namespace}})
		if !refused(world, ref) {
			t.Errorf("%s: may go from a namespace that stays", ref)
		}
		world.Put(&Namespace{Meta: Meta{Name: ref.Namespace, DeletionTimestamp: when}})
		if refused(world, ref) {
			t.Errorf("%s: holds up its namespace", ref)
		}
	}
	// The same for an object that is being deleted, as finalizers see it.
	world := page.Snapshot()
	ref := Ref{DestinationRuleKind, "team-a", "app1"}
	leaving := *world.Get(ref).(*DestinationRule)
	leaving.DeletionTimestamp = when
	world.Put(&leaving)
	if refused(world, ref) {
		t.Errorf("%s: is being deleted, and may not go", ref)
	}
	// To turn it into something else is another matter.
	other := leaving
	other.Spec.Host = "app9.team-a.api.example.com.invalid"
	if len(Review(Rules(), page.Config, world, &other)) == 0 {
		t.Errorf("%s: while it is being deleted, it loses its host", ref)
	}
}
