package policy

import (
	"fmt"
	"slices"
	"strings"
)

func plainAttachment() *Rule {
	return &Rule{
		ID:       "SP205",
		Name:     "plain-attachment",
		Title:    "A team attaches to a shared host by HTTPRoute or GRPCRoute, under that host's own name, or not at all.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check: Checks{
			AuthorizationPolicy:   func(p *Pass, a *AuthorizationPolicy) { checkReachesTarget(p, a, &a.Spec) },
			GRPCRoute:             checkPlainAttachment,
			HTTPRoute:             checkPlainAttachment,
			RequestAuthentication: func(p *Pass, a *RequestAuthentication) { checkReachesTarget(p, a, &a.Spec.Targets) },
			TCPRoute:              checkNoStreamRoute,
			TLSRoute:              checkNoStreamRoute,
			UDPRoute:              checkNoStreamRoute,
		},
	}
}

func checkPlainAttachment(p *Pass, r *Route) {
	checkParentsNamed(p, r)
	if !p.Config.EgressNamespace(r.Namespace) {
		checkHostnames(p, r)
	}
}

// checkNoStreamRoute refuses what knows no headers, and thereby no identities,
// but on a host that is the namespace's own.
func checkNoStreamRoute(p *Pass, r *Route) {
	checkParentsNamed(p, r)
	if p.Config.EgressNamespace(r.Namespace) {
		return
	}
	for i, se := range egressParents(p, r) {
		if se != nil && !slices.ContainsFunc(hostsOf(se), func(h Host) bool { return !ownsAll(p, r.Namespace, h) }) {
			continue
		}
		p.Report(Finding{
			At: At("spec", "parentRefs").Index(i).Key("name"), Got: r.Spec.ParentRefs[i].Name,
			Problem: fmt.Sprintf("is a host that leaves by an egress waypoint, and a %s takes the connections of every workload of the mesh", r.kind),
			Remedy:  "use an HTTPRoute or a GRPCRoute that matches the principal header",
		})
	}
}

// checkHostnames judges hostnames that are not those of the ServiceEntry. istiod
// does not look at them for such a parent (istio.io/istio
// pilot/pkg/config/kube/gateway/route_collections.go, HTTPRouteCollection), so
// the route would not do what it says; and who does look at them would put it on
// another host.
func checkHostnames(p *Pass, r *Route) {
	attached := attachedHosts(p, r)
	if len(attached) == 0 || len(r.Spec.Hostnames) == 0 {
		return
	}
	// missing is what the hostnames leave out.
	missing := slices.Clone(attached)
	for i, hostname := range r.Spec.Hostnames {
		h := ParseHost(hostname)
		if !slices.ContainsFunc(attached, func(host Host) bool { return host.Covers(h) }) {
			p.Report(Finding{
				At: At("spec", "hostnames").Index(i), Got: hostname,
				Problem: "is no host of the ServiceEntry that the route attaches to",
				Remedy:  "write the host of the ServiceEntry, or no hostnames",
			})
			missing = nil // which goes without saying
		}
		missing = slices.DeleteFunc(missing, h.Covers)
	}
	if len(missing) > 0 {
		p.Report(Finding{
			Severity: Warn,
			At:       At("spec", "hostnames"),
			Problem:  "narrows nothing down: the route takes requests for every host of the ServiceEntry",
			Remedy:   "remove it, or list all hosts",
		})
	}
}

// attachedHosts returns the hosts of the egress path that the route attaches to,
// nil when some are not there yet.
func attachedHosts(p *Pass, r *Route) []Host {
	var hosts []Host
	for _, se := range egressParents(p, r) {
		if se == nil {
			return nil
		}
		hosts = append(hosts, hostsOf(se)...)
	}
	return hosts
}

// checkParentsNamed warns of a parent that is meant to be a host of the egress
// path but is not taken for one. A group that is left out is the Gateway API's,
// and names count in every letter (istio.io/istio
// pilot/pkg/config/kube/gateway/conversion.go, toInternalParentReference).
func checkParentsNamed(p *Pass, r *Route) {
	group, kind := istioNetworkingGroup, string(ServiceEntryKind)
	for i, parent := range r.Spec.ParentRefs {
		if parent.serviceEntry() || !parent.almostServiceEntry() {
			continue
		}
		meant := parent
		meant.Group, meant.Kind = &group, &kind
		if _, egress := egressParent(p, r, &meant); !egress {
			continue
		}
		p.Report(Finding{
			Severity: Warn,
			At:       At("spec", "parentRefs").Index(i), Got: parent.Name,
			Problem: "is not taken for a ServiceEntry, so that the route does not attach to it",
			Remedy:  fmt.Sprintf("write group: %s and kind: %s", istioNetworkingGroup, ServiceEntryKind),
		})
	}
}

// serviceEntry tells whether istiod takes the parent for a ServiceEntry.
func (r *ParentRef) serviceEntry() bool {
	return r.Group != nil && *r.Group == istioNetworkingGroup && r.Kind != nil && *r.Kind == string(ServiceEntryKind)
}

// almostServiceEntry tells whether the parent can be meant for one. The API
// server writes the kind Gateway where none is written.
func (r *ParentRef) almostServiceEntry() bool {
	if r.Kind == nil || *r.Kind == string(GatewayKind) {
		return r.Group != nil && *r.Group == istioNetworkingGroup
	}
	return strings.EqualFold(*r.Kind, string(ServiceEntryKind))
}

// checkReachesTarget warns of a policy that is aimed at a ServiceEntry of
// another namespace. istiod looks for the target in the policy's own namespace,
// whatever the reference says (istio.io/istio pilot/pkg/model/policyattachment.go,
// ShouldAttachPolicy).
func checkReachesTarget(p *Pass, o Object, targets *Targets) {
	own := o.Metadata().Namespace
	for at, ref := range targets.each() {
		if ref.Kind != string(ServiceEntryKind) || ref.Group != istioNetworkingGroup || serviceEntryIn(p.World, own, ref.Name) != nil {
			continue
		}
		if !slices.ContainsFunc(append(p.Config.egressNamespaces(), ref.Namespace), func(namespace string) bool {
			se := serviceEntryIn(p.World, namespace, ref.Name)
			return se != nil && leavesByEgress(p, se)
		}) {
			continue
		}
		p.Report(Finding{
			Severity: Warn,
			At:       at.Key("name"), Got: ref.Name,
			Problem: "is a ServiceEntry of another namespace, on which this policy has no effect",
			Remedy:  fmt.Sprintf("target one of %s, or ask the owner of the host to write the policy", own),
		})
	}
}
