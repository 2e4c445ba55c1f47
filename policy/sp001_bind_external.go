package policy

import (
	"fmt"
	"slices"
	"strings"
)

func bindExternal() *Rule {
	return &Rule{
		ID:       "SP001",
		Name:     "bind-external",
		Title:    "A host that the platform shares is bound to an egress waypoint by its own labels.",
		Severity: Deny,
		Fixes:    []Kind{ServiceEntryKind},
		Reads:    []Kind{GatewayKind, NamespaceKind},
		Check:    Checks{ServiceEntry: checkBindExternal},
	}
}

func checkBindExternal(p *Pass, se *ServiceEntry) {
	if !se.External() || declaresSynthetic(p.Config, se) {
		return
	}
	if _, labelled := se.Labels[useWaypointLabel]; labelled {
		if candidates := namesakes(p, se); len(candidates) > 0 {
			reportUnqualified(p, se, candidates)
		}
		return
	}
	wanted, annotated := se.Annotations[egressWaypointAnnotation]
	if !annotated && !shared(p.Config, se) {
		return
	}
	f := Finding{
		At:      At("metadata", "labels").Key(useWaypointLabel),
		Problem: "is missing, so that traffic to the host goes out directly and in plaintext",
		Remedy:  writeBinding(se, p.Config.EgressWaypoints),
	}
	if inherited, ok := waypointOf(&se.Meta, p.World); ok && p.Config.IsEgressWaypoint(inherited) {
		f.Problem = "is missing, so that only the label of the namespace keeps traffic to the host from going out in plaintext"
	}
	candidates := waypointCandidates(p, se)
	switch {
	case len(candidates) == 1:
		f.Remedy = writeBinding(se, candidates)
		f.Fix = bindTo(se, candidates[0])
	case annotated:
		f.At, f.Got = At("metadata", "annotations").Key(egressWaypointAnnotation), wanted
		f.Problem = "does not name a single egress waypoint"
		f.Remedy = "write " + oneOf(p.Config.EgressWaypoints)
		if namespace, ok := se.Labels[useWaypointNamespaceLabel]; ok {
			f.Problem += fmt.Sprintf(" in %s, which the label %s names", quote(namespace), useWaypointNamespaceLabel)
			f.Remedy += " and remove the label"
		}
	}
	p.Report(f)
}

// waypointCandidates returns the egress waypoints that an unlabelled
// ServiceEntry may mean: what its annotation says, else those of the namespace
// that its labels or its place say, else the one it inherits among these.
func waypointCandidates(p *Pass, se *ServiceEntry) []Waypoint {
	wanted, annotated := se.Annotations[egressWaypointAnnotation]
	namespace, labelled := se.Labels[useWaypointNamespaceLabel]
	candidates := p.Config.waypointsWhere(func(w Waypoint) bool {
		switch {
		case labelled && w.Namespace != namespace:
			return false
		case annotated:
			return wanted == w.Name || wanted == w.String()
		}
		return labelled || w.Namespace == se.Namespace
	})
	if len(candidates) > 1 {
		if inherited, ok := waypointOf(&se.Meta, p.World); ok && slices.Contains(candidates, inherited) {
			return []Waypoint{inherited}
		}
	}
	return candidates
}

// namesakes returns the egress waypoints that the label of a ServiceEntry
// names although they live in another namespace, which the labels do not say.
// istiod then looks in the ServiceEntry's own namespace, so a Gateway of that
// name there is what the user means.
func namesakes(p *Pass, se *ServiceEntry) []Waypoint {
	_, qualified := se.Labels[useWaypointNamespaceLabel]
	waypoint, ok := waypointLabel(&se.Meta, se.Namespace)
	if !ok || qualified || p.Config.IsEgressWaypoint(waypoint) {
		return nil
	}
	candidates := p.Config.waypointsWhere(func(w Waypoint) bool { return w.Name == waypoint.Name })
	if len(candidates) == 0 || gatewayIn(p.World, waypoint.Namespace, waypoint.Name) != nil {
		return nil
	}
	return candidates
}

func reportUnqualified(p *Pass, se *ServiceEntry, candidates []Waypoint) {
	f := Finding{
		At:      At("metadata", "labels").Key(useWaypointNamespaceLabel),
		Problem: fmt.Sprintf("is missing, so that %s is looked for in %s, where it is not, and traffic goes out in plaintext", quote(candidates[0].Name), se.Namespace),
		Remedy:  "write the namespace of " + oneOf(candidates),
	}
	if len(candidates) == 1 {
		f.Remedy = fmt.Sprintf("write %s: %s", useWaypointNamespaceLabel, candidates[0].Namespace)
		f.Fix = bindTo(se, candidates[0])
	}
	p.Report(f)
}

// bindTo returns the labels that the ServiceEntry lacks to be bound to the
// waypoint.
func bindTo(se *ServiceEntry, w Waypoint) []Edit {
	var edits []Edit
	labels := At("metadata", "labels")
	if _, ok := se.Labels[useWaypointLabel]; !ok {
		edits = append(edits, Edit{At: labels.Key(useWaypointLabel), Value: w.Name})
	}
	if _, ok := se.Labels[useWaypointNamespaceLabel]; !ok && w.Namespace != se.Namespace {
		edits = append(edits, Edit{At: labels.Key(useWaypointNamespaceLabel), Value: w.Namespace})
	}
	return edits
}

// writeBinding tells which labels bind the ServiceEntry to the waypoint, or to
// one of them.
func writeBinding(se *ServiceEntry, waypoints []Waypoint) string {
	if len(waypoints) > 1 {
		return fmt.Sprintf("write %s with the name and %s with the namespace of %s", useWaypointLabel, useWaypointNamespaceLabel, oneOf(waypoints))
	}
	remedy := fmt.Sprintf("write %s: %s", useWaypointLabel, waypoints[0].Name)
	namespace, written := se.Labels[useWaypointNamespaceLabel]
	if !written {
		namespace = se.Namespace
	}
	if waypoints[0].Namespace != namespace {
		remedy += fmt.Sprintf(" and %s: %s", useWaypointNamespaceLabel, waypoints[0].Namespace)
	}
	return remedy
}

// oneOf writes waypoints for a message: one of "a/b", "c/d".
func oneOf(waypoints []Waypoint) string {
	quoted := make([]string, len(waypoints))
	for i, w := range waypoints {
		quoted[i] = quote(w.String())
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return "one of " + strings.Join(quoted, ", ")
}
