package policy

import (
	"fmt"
	"slices"
)

func noTenantCode() *Rule {
	return &Rule{
		ID:       "SP104",
		Name:     "no-tenant-code",
		Title:    "No team runs code or filters of its own inside an egress waypoint.",
		Severity: Deny,
		Reads:    []Kind{EnvoyFilterKind, NamespaceKind, ServiceKind, ServiceEntryKind, TrafficExtensionKind, WasmPluginKind},
		Check: Checks{
			EnvoyFilter:      func(p *Pass, f *EnvoyFilter) { checkCode(p, f) },
			Namespace:        checkNamespaceTargeted,
			Service:          func(p *Pass, s *Service) { checkTargeted(p, s) },
			ServiceEntry:     func(p *Pass, se *ServiceEntry) { checkTargeted(p, se) },
			TrafficExtension: func(p *Pass, e *TrafficExtension) { checkCode(p, e) },
			WasmPlugin:       func(p *Pass, w *WasmPlugin) { checkCode(p, w) },
		},
	}
}

// codeKinds put code or filters into the proxies of what they target.
var codeKinds = []Kind{EnvoyFilterKind, TrafficExtensionKind, WasmPluginKind}

// target is a reference with the place where it stands.
type target struct {
	at  Path
	ref *TargetRef
}

// targetsOf returns what code is aimed at. Without a reference it applies to
// workloads, and no waypoint is one (istio.io/istio
// pilot/pkg/model/policyattachment.go, ShouldAttachPolicy).
func targetsOf(o Object) []target {
	var targets []target
	collect := func(t *Targets) {
		for at, ref := range t.each() {
			targets = append(targets, target{at, ref})
		}
	}
	switch o := o.(type) {
	case *EnvoyFilter:
		collect(&Targets{TargetRefs: o.Spec.TargetRefs})
	case *TrafficExtension:
		collect(&o.Spec)
	case *WasmPlugin:
		collect(&o.Spec)
	}
	return targets
}

// kind returns the kind that the reference names, as far as it is one that a
// waypoint knows. The core group has two names (istio.io/istio
// pkg/config/model.go, CanonicalGroup).
func (t target) kind() (kind Kind, ok bool) {
	group := t.ref.Group
	if group == "core" {
		group = ""
	}
	info, ok := kindIn(group, t.ref.Kind)
	return info.Kind, ok && slices.Contains([]Kind{GatewayKind, ServiceKind, ServiceEntryKind}, info.Kind)
}

func checkCode(p *Pass, code Object) {
	namespace := code.Metadata().Namespace
	if p.Config.EgressNamespace(namespace) {
		return
	}
	for _, t := range targetsOf(code) {
		kind, ok := t.kind()
		if !ok || !reachesWaypoint(p, kind, namespace, t.ref) {
			continue
		}
		p.Report(Finding{
			At: t.at.Key("name"), Got: t.ref.Name,
			Problem: "leads this into an egress waypoint, the proxy that uses the certificates of all teams",
			Remedy:  "target what is not bound to an egress waypoint, or ask the platform team",
		})
	}
}

// reachesWaypoint tells whether a reference leads into an egress waypoint.
// istiod looks for its target in the namespace of the referring object, whatever
// the reference says (ShouldAttachPolicy); others may do as it says.
func reachesWaypoint(p *Pass, kind Kind, namespace string, ref *TargetRef) bool {
	return slices.ContainsFunc([]string{namespace, ref.Namespace}, func(namespace string) bool {
		if namespace == "" {
			return false
		}
		if kind == GatewayKind {
			return p.Config.IsEgressWaypoint(Waypoint{Namespace: namespace, Name: ref.Name})
		}
		held := p.World.Get(Ref{kind, namespace, ref.Name})
		if held != nil {
			return bindsEgress(p, held.Metadata())
		}
		// A ServiceEntry is judged when it comes. A Service without labels is
		// not, so the namespace decides.
		return kind == ServiceKind && bindsEgress(p, &Meta{Namespace: namespace})
	})
}

// checkTargeted judges the other end: a service that becomes bound while code
// is aimed at it.
func checkTargeted(p *Pass, o Object) {
	m := o.Metadata()
	if m.Name == "" || p.Config.EgressNamespace(m.Namespace) || !bindsEgress(p, m) {
		return
	}
	for _, kind := range codeKinds {
		for _, code := range p.World.InNamespace(kind, m.Namespace) {
			if !slices.ContainsFunc(targetsOf(code), func(t target) bool { return t.means(o) }) {
				continue
			}
			p.Report(Finding{
				At: At("metadata", "name"), Got: m.Name,
				Problem: fmt.Sprintf("is bound to an egress waypoint and is a target of %s %s, which would run inside the proxy that uses the certificates of all teams", kind, quote(code.Metadata().Name)),
				Remedy:  "remove the target there, or do not bind this object",
				Others:  []Ref{RefOf(code)},
			})
		}
	}
}

// means tells whether the reference is to this object of the same namespace.
func (t target) means(o Object) bool {
	kind, ok := t.kind()
	return ok && kind == o.Kind() && t.ref.Name == o.Metadata().Name
}

// checkNamespaceTargeted warns of a label that binds services at which code is
// aimed.
func checkNamespaceTargeted(p *Pass, n *Namespace) {
	waypoint, ok := waypointLabel(&n.Meta, n.Name)
	if !ok || !p.Config.IsEgressWaypoint(waypoint) || p.Config.EgressNamespace(n.Name) {
		return
	}
	var aimed []Ref
	for _, kind := range codeKinds {
		for _, code := range p.World.InNamespace(kind, n.Name) {
			if slices.ContainsFunc(targetsOf(code), func(t target) bool { return t.takesOver(p, n.Name) }) {
				aimed = append(aimed, RefOf(code))
			}
		}
	}
	if len(aimed) == 0 {
		return
	}
	p.Report(Finding{
		Severity: Warn,
		At:       At("metadata", "labels").Key(useWaypointLabel),
		Got:      waypoint.Name,
		Problem:  fmt.Sprintf("lets the code or filters of %s run inside the egress waypoint", counted(len(aimed), "object", "objects")),
		Remedy:   "remove the label, or their targets",
		Others:   aimed,
	})
}

// takesOver tells whether the target has no label of its own, so that the
// namespace binds it.
func (t target) takesOver(p *Pass, namespace string) bool {
	kind, ok := t.kind()
	if !ok || kind == GatewayKind {
		return false
	}
	held := p.World.Get(Ref{kind, namespace, t.ref.Name})
	if held == nil {
		return kind == ServiceKind // as above
	}
	_, own := held.Metadata().Labels[useWaypointLabel]
	return !own
}
