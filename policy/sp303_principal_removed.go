package policy

import (
	"fmt"
	"slices"
)

func principalRemoved() *Rule {
	return &Rule{
		ID:       "SP303",
		Name:     "principal-removed",
		Title:    "A request loses the principal header before it leaves: by the platform's EnvoyFilter or by the route.",
		Severity: Deny,
		Fixes:    []Kind{GRPCRouteKind, HTTPRouteKind},
		Reads:    []Kind{EnvoyFilterKind, NamespaceKind, ServiceEntryKind},
		Check:    Checks{GRPCRoute: checkPrincipalRemoved, HTTPRoute: checkPrincipalRemoved},
	}
}

func checkPrincipalRemoved(p *Pass, r *Route) {
	if !slices.ContainsFunc(waypointsOf(p, r), func(w Waypoint) bool { return keepsPrincipal(p, w) }) {
		return
	}
	for i, rule := range r.Spec.Rules {
		if !rule.sends() || removesHeader(rule, p.Config.PrincipalHeader) {
			continue
		}
		at := At("spec", "rules").Index(i).Key("filters")
		p.Report(Finding{
			At:      at,
			Problem: fmt.Sprintf("remove the header %s nowhere, and neither does the platform's EnvoyFilter, so that the external server learns the caller's identity", quote(p.Config.PrincipalHeader)),
			Remedy:  "name it in the remove list of a RequestHeaderModifier",
			Fix:     removeHeader(r, at, rule, p.Config.PrincipalHeader),
		})
	}
}

// waypointsOf returns the egress waypoints that requests of the route go
// through.
func waypointsOf(p *Pass, r *Route) []Waypoint {
	var found []Waypoint
	for i, parent := range egressParents(p, r) {
		if parent == nil {
			namespace := r.Namespace
			if named := r.Spec.ParentRefs[i].Namespace; named != nil {
				namespace = *named
			}
			found = append(found, p.Config.waypointsWhere(func(w Waypoint) bool { return w.Namespace == namespace })...)
			continue
		}
		for _, h := range hostsOf(parent) {
			for _, se := range protectors(p.Config, p.World, h) {
				if w, ok := waypointOf(&se.Meta, p.World); ok && p.Config.IsEgressWaypoint(w) {
					found = append(found, w)
				}
			}
		}
	}
	return found
}

// keepsPrincipal tells whether the filters of the waypoint write the principal
// header and do not remove it again. Without any filter there is no identity in
// that header to be lost.
func keepsPrincipal(p *Pass, w Waypoint) bool {
	writes := false
	for _, ef := range typed[*EnvoyFilter](p.World.InNamespace(EnvoyFilterKind, w.Namespace)) {
		if !ef.reaches(w) {
			continue
		}
		if ef.removesEverywhere(p.Config.PrincipalHeader) {
			return false
		}
		writes = writes || len(ef.writesOf(p.Config.PrincipalHeader)) > 0
	}
	return writes
}

// sends tells whether requests leave by the rule. A redirect, or a rule without
// backends, answers them itself.
func (r *RouteRule) sends() bool {
	return len(r.BackendRefs) > 0 || slices.ContainsFunc(r.Filters, func(f RouteFilter) bool { return f.RequestMirror != nil })
}

// removesHeader tells whether every request of the rule loses the header: by a
// filter of the rule, or by one of each backend where there is no mirror.
func removesHeader(rule RouteRule, header string) bool {
	if removedBy(rule.Filters, header) {
		return true
	}
	mirrors := slices.ContainsFunc(rule.Filters, func(f RouteFilter) bool { return f.RequestMirror != nil })
	return !mirrors && !slices.ContainsFunc(rule.BackendRefs, func(b RouteBackendRef) bool { return !removedBy(b.Filters, header) })
}

func removedBy(filters []RouteFilter, header string) bool {
	return slices.ContainsFunc(filters, func(f RouteFilter) bool {
		return f.RequestHeaderModifier != nil && slices.ContainsFunc(f.RequestHeaderModifier.Remove, func(name string) bool { return sameHeader(name, header) })
	})
}

// maxItems is how many filters a rule, and how many names a remove list can have
// (sigs.k8s.io/gateway-api apis/v1/httproute_types.go, HTTPRouteRule.Filters and
// HTTPHeaderFilter.Remove).
const maxItems = 16

// removeHeader returns what makes the rule remove the header, nothing if there
// is no room for that. A rule has at most one RequestHeaderModifier, so one that
// is there is extended.
func removeHeader(r *Route, at Path, rule RouteRule, header string) []Edit {
	for i, f := range rule.Filters {
		if f.RequestHeaderModifier == nil {
			continue
		}
		if len(f.RequestHeaderModifier.Remove) >= maxItems {
			return nil
		}
		var names []any
		for _, name := range f.RequestHeaderModifier.Remove {
			names = append(names, name)
		}
		return []Edit{{At: at.Index(i).Key("requestHeaderModifier", "remove"), Value: append(names, header)}}
	}
	// Filters that are there are repeated as they stand, unknown fields and all.
	filters, ok := valueAt(r.Raw(), at).([]any)
	if !ok && len(rule.Filters) > 0 || len(filters) >= maxItems {
		return nil // known by a World only, which nobody repairs; or full
	}
	modifier := map[string]any{"remove": []any{header}}
	return []Edit{{At: at, Value: append(filters, map[string]any{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier})}}
}

// valueAt returns the value that the JSON of an object has at a place, nil if
// there is none.
func valueAt(object []byte, at Path) any {
	value, err := decodeJSON(object)
	if err != nil {
		return nil
	}
	for _, step := range at {
		switch node := value.(type) {
		case map[string]any:
			value = node[step.Key]
		case []any:
			if !step.IsIndex || step.Index >= len(node) {
				return nil
			}
			value = node[step.Index]
		default:
			return nil
		}
	}
	return value
}
