package policy

import (
	"fmt"
	"slices"
	"strings"
)

func noOrphan() *Rule {
	return &Rule{
		ID:       "SP405",
		Name:     "no-orphan",
		Title:    "What a mapping needs is not deleted, nor turned into something else, before its route.",
		Severity: Deny,
		Reads:    []Kind{DestinationRuleKind, EnvoyFilterKind, GRPCRouteKind, HTTPRouteKind, NamespaceKind, ServiceEntryKind, VirtualServiceKind},
		Check:    Checks{DestinationRule: checkRuleKept, EnvoyFilter: checkFilterKept, ServiceEntry: checkEntryKept},
		Delete:   Checks{DestinationRule: checkRuleUnused, EnvoyFilter: checkFilterUnused, ServiceEntry: checkEntryUnused},
	}
}

// mappingRoutes are the kinds of routes that make a mapping.
var mappingRoutes = []Kind{GRPCRouteKind, HTTPRouteKind}

// emptied tells whether the namespace is being deleted, which nothing may hold
// up.
func emptied(p *Pass, m *Meta) bool {
	namespace := namespaceIn(p.World, m.Namespace)
	return namespace != nil && namespace.DeletionTimestamp != ""
}

// leaving tells whether the object goes anyway.
func leaving(p *Pass, m *Meta) bool {
	return m.DeletionTimestamp != "" || emptied(p, m)
}

// held returns what the World holds under the name of the object: during an
// update, the version that the new one takes the place of.
func held[T Object](p *Pass, o T) (T, bool) {
	old, ok := p.World.Get(RefOf(o)).(T)
	return old, ok && o.Metadata().Name != "" && !emptied(p, o.Metadata())
}

const deleteRoute = "delete the route first"

func checkRuleUnused(p *Pass, dr *DestinationRule) {
	if leaving(p, &dr.Meta) {
		return
	}
	if r := routeRelyingOn(p, dr); r != nil {
		p.Report(Finding{
			At: At("spec", "host"), Got: dr.Spec.Host,
			Problem: fmt.Sprintf("is where %s sends requests, which would leave in plaintext", routeName(r, dr.Namespace)),
			Remedy:  deleteRoute,
			Others:  []Ref{RefOf(r)},
		})
	}
}

// checkRuleKept refuses to make the rule of one host that of another: for the
// first one, that is a deletion.
func checkRuleKept(p *Pass, dr *DestinationRule) {
	old, ok := held(p, dr)
	if !ok || ParseHost(old.Spec.Host) == ParseHost(dr.Spec.Host) {
		return
	}
	if r := routeRelyingOn(p, old); r != nil {
		p.Report(Finding{
			At: At("spec", "host"), Got: dr.Spec.Host,
			Problem: fmt.Sprintf("takes the rule from %s, where %s sends requests, which would leave in plaintext", quote(old.Spec.Host), routeName(r, dr.Namespace)),
			Remedy:  "write another DestinationRule for it, or " + deleteRoute,
			Others:  []Ref{RefOf(r)},
		})
	}
}

// routeRelyingOn returns a route whose requests get their TLS from the rule and
// from no other.
func routeRelyingOn(p *Pass, dr *DestinationRule) Object {
	host := ParseHost(dr.Spec.Host)
	if !p.Config.Synthetic(host) || !effective(p, dr, host) {
		return nil
	}
	for _, other := range destinationRulesOf(p.World, host) {
		if !p.self(other) && replaces(p, other, dr, host) {
			return nil
		}
	}
	return senderTo(p, dr.Namespace, host)
}

// effective tells whether the rule makes TLS of what the waypoint sends.
func effective(p *Pass, dr *DestinationRule, host Host) bool {
	return dr.originatesTLS() && dr.Spec.WorkloadSelector == nil && len(hiddenFrom(p, dr, host)) == 0
}

// replaces tells whether the waypoint would take the settings from the other
// rule, if this one were gone.
func replaces(p *Pass, other, dr *DestinationRule, host Host) bool {
	if !effective(p, other, host) {
		return false
	}
	if p.Config.EgressNamespace(other.Namespace) {
		away := func(namespace string) bool { return namespace != other.Namespace }
		return !slices.ContainsFunc(wayOut(p, host), away)
	}
	synthetic, err := ParseSynthetic(host, p.Config.SyntheticSuffix)
	return other.Namespace == dr.Namespace || err == nil && other.Namespace == synthetic.Namespace
}

func checkEntryUnused(p *Pass, se *ServiceEntry) {
	if leaving(p, &se.Meta) {
		return
	}
	for i, h := range se.hosts() {
		if r := routeLeadingTo(p, se, h); r != nil {
			p.Report(Finding{
				At: At("spec", "hosts").Index(i), Got: se.Spec.Hosts[i],
				Problem: fmt.Sprintf("is where %s sends requests, which would lead nowhere", routeName(r, se.Namespace)),
				Remedy:  deleteRoute,
				Others:  []Ref{RefOf(r)},
			})
		}
	}
	if r := mappingOn(p, se); r != nil {
		p.Report(Finding{
			At: At("spec", "hosts"), Got: strings.Join(se.Spec.Hosts, ", "),
			Problem: fmt.Sprintf("is what %s maps, and its requests would leave in plaintext", routeName(r, se.Namespace)),
			Remedy:  "have the routes that name this ServiceEntry as a parent deleted first",
			Others:  []Ref{RefOf(r)},
		})
	}
}

// checkEntryKept refuses to take hosts away from the ServiceEntry, or the
// protection from all of them.
func checkEntryKept(p *Pass, se *ServiceEntry) {
	old, ok := held(p, se)
	if !ok {
		return
	}
	unprotected := protects(p.Config, p.World, old) && !protects(p.Config, p.World, se)
	for _, h := range hostsOf(old) {
		if !unprotected && slices.Contains(hostsOf(se), h) {
			continue
		}
		r := routeLeadingTo(p, old, h)
		if r == nil && !p.Config.Synthetic(h) {
			r = mappingOn(p, old)
		}
		if r != nil {
			p.Report(Finding{
				At: At("spec", "hosts"), Got: strings.Join(se.Spec.Hosts, ", "),
				Problem: fmt.Sprintf("no longer stands for %s as before, which %s relies on", quote(string(h)), routeName(r, se.Namespace)),
				Remedy:  "leave it as it was, or " + deleteRoute,
				Others:  []Ref{RefOf(r)},
			})
		}
	}
}

// routeLeadingTo returns a route that sends to a synthetic host which no other
// ServiceEntry declares.
func routeLeadingTo(p *Pass, se *ServiceEntry, h Host) Object {
	if !p.Config.Synthetic(h) || slices.ContainsFunc(serviceEntriesOf(p.World, h), func(o *ServiceEntry) bool {
		return !p.self(o) && (o.Namespace == se.Namespace || p.Config.EgressNamespace(o.Namespace))
	}) {
		return nil
	}
	return senderTo(p, se.Namespace, h)
}

// checkFilterUnused keeps the platform's filters on the principal header, as
// long as there is a mapping behind the same waypoint.
func checkFilterUnused(p *Pass, ef *EnvoyFilter) {
	if !leaving(p, &ef.Meta) {
		reportFilterLost(p, ef, nil)
	}
}

func checkFilterKept(p *Pass, ef *EnvoyFilter) {
	if old, ok := held(p, ef); ok {
		reportFilterLost(p, old, ef)
	}
}

// reportFilterLost judges a filter that goes, or that another version takes the
// place of.
func reportFilterLost(p *Pass, ef, next *EnvoyFilter) {
	if !p.Config.EgressNamespace(ef.Namespace) || !irreplaceable(p, ef, next) {
		return
	}
	for _, o := range protectable(p.Config, p.World) {
		se := o.(*ServiceEntry)
		if w, ok := waypointOf(&se.Meta, p.World); !ok || w.Namespace != ef.Namespace {
			continue
		}
		if r := mappingOn(p, se); r != nil {
			p.Report(Finding{
				At:      At("spec", "configPatches"),
				Problem: fmt.Sprintf("would no longer keep the header %s true and inside of the mesh, on which mappings rely: workloads could claim the identity of others, or external servers learn it", quote(p.Config.PrincipalHeader)),
				Remedy:  "leave them as they are, or have the routes of all mappings deleted first",
				Others:  []Ref{RefOf(r)},
			})
			return
		}
	}
}

// irreplaceable tells whether the filter writes or removes the principal header
// at an egress waypoint where neither its next version nor another filter does.
func irreplaceable(p *Pass, ef, next *EnvoyFilter) bool {
	rest := typed[*EnvoyFilter](p.World.InNamespace(EnvoyFilterKind, ef.Namespace))
	rest = slices.DeleteFunc(rest, func(o *EnvoyFilter) bool { return p.self(o) })
	if next != nil {
		rest = append(rest, next)
	}
	writes := func(o *EnvoyFilter) bool { return len(o.writesOf(p.Config.PrincipalHeader)) > 0 }
	removes := func(o *EnvoyFilter) bool { return o.removesEverywhere(p.Config.PrincipalHeader) }
	return slices.ContainsFunc(p.Config.EgressWaypoints, func(w Waypoint) bool {
		alone := func(does func(*EnvoyFilter) bool) bool {
			return does(ef) && !slices.ContainsFunc(rest, func(o *EnvoyFilter) bool { return does(o) && o.reaches(w) })
		}
		return w.Namespace == ef.Namespace && ef.reaches(w) && (alone(writes) || alone(removes))
	})
}

// mappingOn returns a route on a ServiceEntry that protects its hosts, which
// sends to a synthetic host. On a tenant's own ServiceEntry, routes of other
// tenants do not count: nobody is to hold it by attaching to it.
func mappingOn(p *Pass, se *ServiceEntry) Object {
	if !protects(p.Config, p.World, se) {
		return nil
	}
	counts := func(o Object) bool {
		return p.Config.EgressNamespace(se.Namespace) || isOf(p.Config, o, se.Namespace)
	}
	for _, kind := range mappingRoutes {
		for _, r := range typed[*Route](p.World.Attached(kind, RefOf(se))) {
			if counts(r) && r.uses(p.Config.Synthetic) {
				return r
			}
		}
	}
	for _, h := range hostsOf(se) {
		for _, vs := range typed[*VirtualService](p.World.Named(VirtualServiceKind, h)) {
			if counts(vs) && vs.inMesh() && vs.sendsTo(p.Config.Synthetic) {
				return vs
			}
		}
	}
	return nil
}

// senderTo returns a route that sends requests to the synthetic host: one of
// the namespace or of the platform. Those of others do not count, as above.
func senderTo(p *Pass, namespace string, h Host) Object {
	is := func(o Host) bool { return o == h }
	for _, kind := range mappingRoutes {
		for _, r := range typed[*Route](p.World.Named(kind, h)) {
			if (p.Config.EgressNamespace(namespace) || isOf(p.Config, r, namespace)) && r.uses(is) {
				return r
			}
		}
	}
	for _, near := range append(p.Config.egressNamespaces(), namespace) {
		for _, vs := range typed[*VirtualService](p.World.InNamespace(VirtualServiceKind, near)) {
			if vs.sendsTo(is) {
				return vs
			}
		}
	}
	return nil
}

// uses tells whether requests, or copies of them, are sent to such a host.
func (r *Route) uses(such func(Host) bool) bool {
	for _, backend := range r.used() {
		if such(ParseHost(backend.Name)) {
			return true
		}
	}
	return false
}

// isOf tells whether the object is one of the namespace or of the platform.
func isOf(config *Config, o Object, namespace string) bool {
	of := o.Metadata().Namespace
	return of == namespace || config.EgressNamespace(of)
}

// routeName calls a route by its name in messages to its own namespace.
func routeName(o Object, namespace string) string {
	if o.Metadata().Namespace == namespace {
		return string(o.Kind()) + " " + quote(o.Metadata().Name)
	}
	return "a route of another namespace"
}
