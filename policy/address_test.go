package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func TestParseAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7":                 "203.0.113.7/32",
		" 203.0.113.7. ":              "203.0.113.7/32",
		"203.0.113.7/24":              "203.0.113.0/24",
		"::ffff:203.0.113.7":          "203.0.113.7/32",
		"::FFFF:CB00:7107":            "203.0.113.7/32",
		"::ffff:203.0.113.7/120":      "203.0.113.0/24",
		"::ffff:0:0/96":               "0.0.0.0/0",
		"::/64":                       "::/64",
		"2001:0002:0000::0001":        "2001:2::1/128",
		"fe80::1%eth0":                "fe80::1/128",
		"3405803783":                  "203.0.113.7/32",
		"0xcb007107":                  "203.0.113.7/32",
		"203.28935":                   "203.0.113.7/32",
		"203.0.28935":                 "203.0.113.7/32",
		"0313.0.0161.07":              "203.0.113.7/32",
		"203.0.113.263":               "",
		"256.1":                       "",
		"203.0.113.7.1":               "",
		"4294967296":                  "",
		"":                            "",
		".":                           "",
		"203..7":                      "",
		"db.example.com":              "",
		"unix:///var/run/db.sock":     "",
		"203.0.113.0-203.0.113.9":     "",
		"203.0.113.0/33":              "",
		"203.0.113.0/":                "",
		"/24":                         "",
		"[2001:2::1]":                 "",
		"203.0.113.7:443":             "",
		"*":                           "",
		"240.240.0.0/16,203.0.113.0/": "",
	} {
		got, ok := parseAddresses(text)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("parseAddresses(%q) is %v, %v; want %q", text, got, ok, want)
		}
	}
}

func TestOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"10.0.0.0/8", "10.1.2.3/32", true},
		{"10.0.0.0/8", "11.0.0.0/8", false},
		{"::/0", "10.1.2.3/32", true},
		{"::/64", "10.1.2.3/32", true},
		{"::ffff:0:0/95", "10.0.0.0/8", true},
		{"2001:2::/48", "10.1.2.3/32", false},
		{"2001:2::/48", "2001:2::7/128", true},
	} {
		a, b := netip.MustParsePrefix(tt.a), netip.MustParsePrefix(tt.b)
		if overlap(a, b) != tt.want || overlap(b, a) != tt.want {
			t.Errorf("overlap(%s, %s) is not %v both ways", a, b, tt.want)
		}
	}
}

// TestSnapshotFindsAddresses compares the index with a search from end to end.
func TestSnapshotFindsAddresses(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	choices := []string{"10.1.2.3", "10.1.2.0/24", "10.0.0.0/8", "::ffff:10.1.2.3", "0.0.0.0/0", "2001:db8::1", "2001:db8::/32", "::/0", "db.example.com"}
	var world Snapshot
	for step := range 2000 {
		meta := Meta{Namespace: "team-a", Name: pick(random, snapshotNames)}
		se := &ServiceEntry{Meta: meta, Spec: ServiceEntrySpec{
			Addresses: []string{pick(random, choices)}, Endpoints: []Endpoint{{Address: pick(random, choices)}},
		}, Status: ServiceEntryStatus{Addresses: []AllocatedAddress{{Value: pick(random, choices)}}}}
		we := &WorkloadEntry{Meta: meta, Spec: WorkloadEntrySpec{Address: pick(random, choices)}}
		switch random.IntN(3) {
		case 0:
			world.Delete(RefOf(se))
			world.Delete(RefOf(we))
		default:
			world.Put(se)
			world.Put(we)
		}
		for _, kind := range []Kind{ServiceEntryKind, WorkloadEntryKind} {
			asked, ok := parseAddresses(pick(random, choices[:8]))
			if !ok {
				t.Fatal("no address")
			}
			var want []Object
			for _, o := range world.InNamespace(kind, "team-a") {
				if slices.ContainsFunc(addressesOf(o), func(held netip.Prefix) bool { return held.Bits() <= asked.Bits() && held.Overlaps(asked) }) {
					want = append(want, o)
				}
			}
			if got := world.Addressed(kind, asked); !slices.Equal(got, want) {
				t.Fatalf("step %d: Addressed(%s, %s) = %v, want %v", step, kind, asked, got, want)
			}
		}
	}
}

func TestSnapshotFindsWhatIsBound(t *testing.T) {
	waypoint := Waypoint{Namespace: "istio-egress", Name: "egress-waypoint"}
	var world Snapshot
	for i, labels := range []map[string]string{
		{useWaypointLabel: waypoint.Name},
		{useWaypointLabel: waypoint.Name, useWaypointNamespaceLabel: waypoint.Namespace},
		{useWaypointLabel: noWaypoint, useWaypointNamespaceLabel: waypoint.Namespace},
		nil,
	} {
		for _, namespace := range []string{"istio-egress", "team-a"} {
			world.Put(&ServiceEntry{Meta: Meta{Namespace: namespace, Name: fmt.Sprint(i), Labels: labels}})
		}
	}
	world.Put(&Namespace{Meta: Meta{Name: "istio-egress", Labels: map[string]string{useWaypointLabel: waypoint.Name}}})
	world.Put(&Namespace{Meta: Meta{Name: "team-a", Labels: map[string]string{useWaypointLabel: waypoint.Name}}})
	for kind, want := range map[Kind]string{
		ServiceEntryKind: "[ServiceEntry istio-egress/0 ServiceEntry istio-egress/1 ServiceEntry team-a/1]",
		NamespaceKind:    "[Namespace istio-egress]",
	} {
		var got []Ref
		for _, o := range world.Bound(kind, waypoint) {
			got = append(got, RefOf(o))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("Bound(%s) = %v, want %s", kind, got, want)
		}
	}
}
