package policy

import (
	"fmt"
	"strings"
)

func bindExternal() *Rule {
	return &Rule{
		ID:       "SP001",
		Name:     "bind-external",
		Title:    "A host that the platform shares is bound to an egress waypoint by its own labels.",
		Severity: Deny,
		Reads:    []Kind{GatewayKind, NamespaceKind},
		Check:    Checks{ServiceEntry: checkBindExternal},
	}
}

func checkBindExternal(p *Pass, se *ServiceEntry) {
	if !se.External() || declaresSynthetic(p.Config, se) {
		return
	}
	at := At("metadata", "labels").Key(useWaypointLabel)
	wanted, annotated := se.Annotations[egressWaypointAnnotation]
	if _, labelled := se.Labels[useWaypointLabel]; labelled {
		if candidates := namesakes(p, se); len(candidates) > 0 {
			reportUnqualified(p, se, candidates)
		}
		return
	}
	if !annotated && !shared(p.Config, se) {
		return
	}
	candidates := waypointCandidates(p, se)
	if len(candidates) == 1 {
		p.Report(Finding{
			At:      at,
			Problem: "is missing, so that traffic to the host goes out directly and in plaintext",
			Remedy:  fmt.Sprintf("write %s: %s", useWaypointLabel, candidates[0].Name),
			Fix:     bindTo(se, candidates[0]),
		})
		return
	}
	if annotated {
		p.Report(Finding{
			At:      At("metadata", "annotations").Key(egressWaypointAnnotation),
			Got:     wanted,
			Problem: "names none, or more than one, of the egress waypoints",
			Remedy:  "write one of " + list(p.Config.EgressWaypoints),
		})
		return
	}
	p.Report(Finding{
		At:      at,
		Problem: "is missing, so that traffic to the host goes out directly and in plaintext",
		Remedy:  fmt.Sprintf("write %s with the name and %s with the namespace of one of %s", useWaypointLabel, useWaypointNamespaceLabel, list(p.Config.EgressWaypoints)),
	})
}

// waypointCandidates returns the egress waypoints that an unlabelled
// ServiceEntry may mean: what its annotation says, else those of the namespace
// that its labels or its place say, narrowed down by the namespace's label.
func waypointCandidates(p *Pass, se *ServiceEntry) []Waypoint {
	if wanted, ok := se.Annotations[egressWaypointAnnotation]; ok {
		return p.Config.waypointsWhere(func(w Waypoint) bool { return wanted == w.Name || wanted == w.String() })
	}
	namespace, ok := se.Labels[useWaypointNamespaceLabel]
	if !ok {
		namespace = se.Namespace
	}
	candidates := p.Config.waypointsWhere(func(w Waypoint) bool { return w.Namespace == namespace })
	if len(candidates) > 1 {
		if inherited, ok := waypointOf(&se.Meta, p.World); ok && p.Config.IsEgressWaypoint(inherited) {
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
	if len(candidates) == 0 || p.World.Gateway(waypoint.Namespace, waypoint.Name) != nil {
		return nil
	}
	return candidates
}

func reportUnqualified(p *Pass, se *ServiceEntry, candidates []Waypoint) {
	f := Finding{
		At:      At("metadata", "labels").Key(useWaypointNamespaceLabel),
		Problem: fmt.Sprintf("is missing, so that %s is looked for in %s, where it is not, and traffic goes out in plaintext", quote(candidates[0].Name), se.Namespace),
		Remedy:  "write the namespace of one of " + list(candidates),
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
	if se.Labels[useWaypointLabel] != w.Name {
		edits = append(edits, Edit{At: labels.Key(useWaypointLabel), Value: w.Name})
	}
	if namespace, ok := se.Labels[useWaypointNamespaceLabel]; w.Namespace != se.Namespace && !ok || ok && namespace != w.Namespace {
		edits = append(edits, Edit{At: labels.Key(useWaypointNamespaceLabel), Value: w.Namespace})
	}
	return edits
}

// list writes waypoints for a message: "a/b", "c/d".
func list(waypoints []Waypoint) string {
	quoted := make([]string, len(waypoints))
	for i, w := range waypoints {
		quoted[i] = quote(w.String())
	}
	return strings.Join(quoted, ", ")
}
