package policy

import "fmt"

func syntheticUnbound() *Rule {
	return &Rule{
		ID:       "SP003",
		Name:     "synthetic-unbound",
		Title:    "A synthetic host is bound to no waypoint, so that only a route can lead to it.",
		Severity: Deny,
		Fixes:    []Kind{ServiceEntryKind},
		Reads:    []Kind{NamespaceKind},
		Check:    Checks{ServiceEntry: checkSyntheticUnbound},
	}
}

func checkSyntheticUnbound(p *Pass, se *ServiceEntry) {
	if !declaresSynthetic(p.Config, se) {
		return
	}
	at := At("metadata", "labels").Key(useWaypointLabel)
	if value, own := se.Labels[useWaypointLabel]; own {
		if value != noWaypoint {
			p.Report(Finding{
				At: at, Got: value,
				Problem: "binds a synthetic host to a waypoint, where any workload could call it and use its certificate",
				Remedy:  fmt.Sprintf("write %q", noWaypoint),
			})
		}
		return
	}
	if inherited, ok := waypointOf(&se.Meta, p.World); ok {
		p.Report(Finding{
			At:      at,
			Problem: fmt.Sprintf("is missing and the namespace binds all its services to waypoint %s, where any workload could call this synthetic host and use its certificate", quote(inherited.Name)),
			Remedy:  fmt.Sprintf("write %s: %s", useWaypointLabel, noWaypoint),
			Fix:     []Edit{{At: at, Value: noWaypoint}},
		})
	}
}
