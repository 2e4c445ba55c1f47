package policy

import "fmt"

func noCanaryWaypoint() *Rule {
	return &Rule{
		ID:       "SP004",
		Name:     "no-canary-waypoint",
		Title:    "A host that leaves by an egress waypoint, and a synthetic one, has no second waypoint beside it.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{Namespace: checkCanaryForHosts, ServiceEntry: checkNoCanary},
	}
}

func checkNoCanary(p *Pass, se *ServiceEntry) {
	canary, named := canaryWaypoint(&se.Meta, se.Namespace)
	f := Finding{At: At("metadata", "labels").Key(canaryLabel), Got: se.Labels[canaryLabel], Remedy: "remove the label"}
	switch {
	case declaresSynthetic(p.Config, se):
		f.Problem = "names a second waypoint for a synthetic host, which must have none"
	case protects(p.Config, p.World, se):
		checkInheritedCanary(p, se)
		f.Problem = "diverts a share of the requests from the egress waypoint to a second one"
	case named && p.Config.IsEgressWaypoint(canary):
		f.Problem = "makes an egress waypoint the second one of this host"
		f.Remedy = fmt.Sprintf("remove the label, or name the egress waypoint by %s", useWaypointLabel)
	default:
		return
	}
	_, labelled := se.Labels[canaryLabel]
	namespace, half := se.Labels[canaryNamespaceLabel]
	switch {
	case named:
		p.Report(f)
	case half && !labelled:
		p.Report(Finding{
			Severity: Warn,
			At:       At("metadata", "labels").Key(canaryNamespaceLabel),
			Got:      namespace,
			Problem:  "is the namespace of a second waypoint, which this host must not have",
			Remedy:   "remove the label",
		})
	}
}

// checkInheritedCanary looks for a second waypoint that the host takes over from
// its namespace.
func checkInheritedCanary(p *Pass, se *ServiceEntry) {
	canary, ok := inheritedCanary(&se.Meta, p.World)
	if !ok {
		return
	}
	p.Report(Finding{
		At:      At("metadata", "labels").Key(canaryLabel),
		Problem: fmt.Sprintf("is missing and the namespace diverts a share of the requests from the egress waypoint to %s", quote(canary.String())),
		Remedy:  fmt.Sprintf("write %s: %s", canaryLabel, noWaypoint),
	})
}

// checkCanaryForHosts warns of a namespace that gives a second waypoint to the
// hosts that take over the first one, when one of both is an egress waypoint.
func checkCanaryForHosts(p *Pass, n *Namespace) {
	first, bound := waypointLabel(&n.Meta, n.Name)
	second, diverted := canaryWaypoint(&n.Meta, n.Name)
	if !bound || !diverted {
		return
	}
	f := Finding{Severity: Warn, At: At("metadata", "labels").Key(canaryLabel), Got: second.Name, Remedy: "remove the label"}
	if p.Config.IsEgressWaypoint(second) && !p.Config.IsEgressWaypoint(first) {
		f.Problem = "makes an egress waypoint the second one of all services of the namespace"
		p.Report(f)
	}
	if !p.Config.IsEgressWaypoint(first) {
		return
	}
	f.Others = unlabelled(p, n.Name, func(se *ServiceEntry) bool {
		_, own := se.Labels[canaryLabel]
		return !own && se.External() && !declaresSynthetic(p.Config, se)
	})
	if len(f.Others) > 0 {
		f.Problem = fmt.Sprintf("diverts a share of the requests for the hosts of %s from the egress waypoint to a second one", counted(len(f.Others), "ServiceEntry", "ServiceEntries"))
		p.Report(f)
	}
}

// counted writes a number of things for a message.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
