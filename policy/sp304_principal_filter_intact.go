package policy

import (
	"fmt"
	"slices"
	"strings"
)

func principalFilterIntact() *Rule {
	return &Rule{
		ID:       "SP304",
		Name:     "principal-filter-intact",
		Title:    "The platform's EnvoyFilter overwrites the principal header and removes it again, once, and nothing else writes it.",
		Severity: Deny,
		Reads:    []Kind{EnvoyFilterKind, NamespaceKind, RequestAuthenticationKind, ServiceEntryKind},
		Check: Checks{
			EnvoyFilter:           checkPrincipalFilter,
			Gateway:               checkNoClientCert,
			RequestAuthentication: checkClaimsElsewhere,
			ServiceEntry:          checkClaimsElsewhereThere,
		},
	}
}

// overwrite is the append_action that leaves nothing of what the client sent.
// Its number in Envoy's config/core/v3/base.proto is 2.
const overwrite = "OVERWRITE_IF_EXISTS_OR_ADD"

func checkPrincipalFilter(p *Pass, ef *EnvoyFilter) {
	if !p.Config.EgressNamespace(ef.Namespace) {
		return
	}
	checkNoCopies(p, ef)
	var first *headerChange
	for change := range ef.changesOf(p.Config.PrincipalHeader) {
		switch {
		case change.option == nil && first == nil:
			// What the client sent goes before the identity comes.
		case change.option == nil:
			p.Report(Finding{
				At: change.at.Key("remove"), Got: change.name,
				Problem: "takes the caller's identity away before a route is chosen by it",
				Remedy:  "remove the header in request_headers_to_remove of a ROUTE_CONFIGURATION instead",
			})
		case !change.early:
			p.Report(Finding{
				At: change.at.Key("header", "key"), Got: change.name,
				Problem: "is the header that carries the caller's identity, and here it is not written before all else",
				Remedy:  "write it once, in early_header_mutation_extensions",
			})
		case first != nil:
			p.Report(Finding{
				At: change.at.Key("header", "key"), Got: change.name,
				Problem: "is written a second time, and the last one counts",
				Remedy:  "keep one mutation of this header",
			})
		default:
			first = &change
			checkOverwrites(p, change)
		}
	}
	if first == nil {
		return
	}
	checkRemovesAgain(p, ef)
	checkOnlyFilter(p, ef)
	checkFilterReaches(p, ef)
}

// checkOverwrites judges the one mutation that writes the caller's identity.
func checkOverwrites(p *Pass, change headerChange) {
	if action := member(change.option, "append_action"); action != overwrite && fmt.Sprint(action) != "2" {
		f := Finding{
			At:      change.at.Key(spelled(change.option, "append_action")),
			Problem: "leaves what the client sent under that name, so that any workload could claim the identity of another",
			Remedy:  fmt.Sprintf("write %q", overwrite),
		}
		if action != nil {
			f.Got = fmt.Sprint(action)
		}
		p.Report(f)
	}
	header, _ := change.option["header"].(map[string]any)
	value, _ := header["value"].(string)
	f := Finding{At: change.at.Key("header", "value"), Got: value, Remedy: `write "%FILTER_STATE(io.istio.peer_principal:PLAIN)%"`}
	switch {
	case value == "":
		f.Problem = "is missing, so that no caller's identity is written"
	case formatOperator(value) == "":
		f.Problem = "is the same for all callers"
	case strings.Contains(value, "%REQ"):
		f.Problem = "takes the identity from a header that the client sends"
	default:
		return
	}
	p.Report(f)
}

func checkRemovesAgain(p *Pass, ef *EnvoyFilter) {
	if ef.removesEverywhere(p.Config.PrincipalHeader) {
		return
	}
	f := Finding{
		At:      At("spec", "configPatches"),
		Problem: "write the caller's identity and remove it nowhere, so that the external servers learn it",
		Remedy:  fmt.Sprintf("add a patch that merges request_headers_to_remove: [%q] into every ROUTE_CONFIGURATION", p.Config.PrincipalHeader),
	}
	for i, patch := range ef.Spec.ConfigPatches {
		if patch.removes(p.Config.PrincipalHeader) {
			f.At = At("spec", "configPatches").Index(i)
			f.Problem = "is to remove the caller's identity, but " + patch.shortfall() + ", so that the external servers learn it"
		}
	}
	p.Report(f)
}

// checkOnlyFilter refuses a second filter that writes the header in the same
// waypoint. istiod applies all of them by priority and age (istio.io/istio
// pilot/pkg/model/push_context.go, EnvoyFilters), and the last one counts.
func checkOnlyFilter(p *Pass, ef *EnvoyFilter) {
	for _, other := range typed[*EnvoyFilter](p.World.InNamespace(EnvoyFilterKind, ef.Namespace)) {
		if p.self(other) || len(other.writesOf(p.Config.PrincipalHeader)) == 0 || !meet(p.Config, ef, other) {
			continue
		}
		p.Report(Finding{
			At:      At("spec", "configPatches"),
			Problem: fmt.Sprintf("write the header %s, which EnvoyFilter %s writes already in the same waypoint", quote(p.Config.PrincipalHeader), quote(other.Name)),
			Remedy:  "change the EnvoyFilter that is there",
			Others:  []Ref{RefOf(other)},
		})
		return
	}
}

// meet tells whether both filters of a namespace apply to one egress waypoint.
func meet(config *Config, a, b *EnvoyFilter) bool {
	return len(config.waypointsWhere(func(w Waypoint) bool { return w.Namespace == a.Namespace && a.reaches(w) && b.reaches(w) })) > 0
}

// checkFilterReaches judges where the filter applies: a waypoint without it
// believes what clients write.
func checkFilterReaches(p *Pass, ef *EnvoyFilter) {
	own := p.Config.waypointsWhere(func(w Waypoint) bool { return w.Namespace == ef.Namespace })
	if slices.ContainsFunc(own, ef.reaches) {
		return
	}
	p.Report(Finding{
		At:      At("spec", "targetRefs"),
		Problem: "name no egress waypoint of the namespace, which goes without this filter then, so that any workload could claim the identity of another",
		Remedy:  fmt.Sprintf("write group: %s, kind: %s and name: %s", gatewayGroup, GatewayKind, own[0].Name),
	})
}

// checkNoCopies refuses copies of the identity in headers that go out.
func checkNoCopies(p *Pass, ef *EnvoyFilter) {
	for i := range ef.Spec.ConfigPatches {
		at := At("spec", "configPatches").Index(i).Key("patch", "value")
		for at, m := range members(at, ef.Spec.ConfigPatches[i].Patch.Value) {
			checkNoCopy(p, ef, at, m)
			checkFilterCode(p, at, m)
		}
	}
}

func checkNoCopy(p *Pass, ef *EnvoyFilter, at Path, option map[string]any) {
	key, ok := optionKey(option)
	if !ok || sameHeader(key, p.Config.PrincipalHeader) || at.has("response_headers_to_add") || at.has("response_mutations") {
		return
	}
	value, _ := option["header"].(map[string]any)["value"].(string)
	copies := strings.Contains(strings.ToLower(value), "%req("+strings.ToLower(p.Config.PrincipalHeader)) || strings.Contains(value, "io.istio.peer_principal")
	if !copies || ef.removesEverywhere(key) {
		return
	}
	p.Report(Finding{
		At: at.Key("header", "key"), Got: key,
		Problem: "becomes a copy of the caller's identity, which the external servers would learn",
		Remedy:  "remove the header in request_headers_to_remove of a ROUTE_CONFIGURATION as well, or do not write it",
	})
}

// checkFilterCode warns of code that names the header: it may only read it.
func checkFilterCode(p *Pass, at Path, m map[string]any) {
	for _, field := range []string{"inline_code", "inline_string"} {
		code, ok := member(m, field).(string)
		if !ok || field == "inline_string" && !at.has("default_source_code") && !at.has("source_codes") {
			continue
		}
		if strings.Contains(strings.ToLower(code), strings.ToLower(p.Config.PrincipalHeader)) {
			p.Report(Finding{
				Severity: Warn,
				At:       at.Key(spelled(m, field)),
				Problem:  "is code that names the principal header",
				Remedy:   "make sure that it only reads it",
			})
		}
	}
}

// clientIdentityAnnotation makes a waypoint write the caller's identity into
// x-forwarded-client-cert, which nothing removes (istio.io/istio
// pilot/pkg/networking/core/listener_waypoint.go, buildWaypointHTTPFilters).
const clientIdentityAnnotation = "ambient.istio.io/xfcc-include-client-identity"

func checkNoClientCert(p *Pass, g *Gateway) {
	if !p.Config.IsEgressWaypoint(Waypoint{Namespace: g.Namespace, Name: g.Name}) {
		return
	}
	checkAnnotation(p, At("metadata", "annotations"), g.Annotations)
	if g.Spec.Infrastructure != nil {
		checkAnnotation(p, At("spec", "infrastructure", "annotations"), g.Spec.Infrastructure.Annotations)
	}
}

func checkAnnotation(p *Pass, at Path, annotations map[string]string) {
	if value := annotations[clientIdentityAnnotation]; strings.EqualFold(value, "true") {
		p.Report(Finding{
			At: at.Key(clientIdentityAnnotation), Got: value,
			Problem: "writes the caller's identity into x-forwarded-client-cert, which the external servers would learn",
			Remedy:  "remove it",
		})
	}
}

// checkClaimsElsewhere judges a policy that writes headers from the claims of a
// token, behind the platform's filter and before a route is chosen.
func checkClaimsElsewhere(p *Pass, a *RequestAuthentication) {
	if !p.Config.EgressNamespace(a.Namespace) && !slices.ContainsFunc(a.Spec.references(), func(ref TargetRef) bool { return inEgress(p, a.Namespace, ref) }) {
		return
	}
	for at, name := range a.headersWritten() {
		if sameHeader(name, p.Config.PrincipalHeader) {
			p.Report(Finding{
				At: at, Got: name,
				Problem: "is the header that carries the caller's identity inside of the waypoint, and a token's claim would take its place",
				Remedy:  "use another header",
			})
		}
	}
}

// inEgress tells whether the reference leads to an egress waypoint or to a
// ServiceEntry that is bound to one.
func inEgress(p *Pass, namespace string, ref TargetRef) bool {
	if ref.Kind != string(ServiceEntryKind) || ref.Group != istioNetworkingGroup {
		return ref.waypointClass()
	}
	se := serviceEntryIn(p.World, namespace, ref.Name)
	return se != nil && leavesByEgress(p, se)
}

// checkClaimsElsewhereThere judges the other end: a ServiceEntry that becomes
// bound when the policy is there already.
func checkClaimsElsewhereThere(p *Pass, se *ServiceEntry) {
	if se.Name == "" || p.Config.EgressNamespace(se.Namespace) || !protects(p.Config, p.World, se) {
		return
	}
	for _, a := range typed[*RequestAuthentication](p.World.InNamespace(RequestAuthenticationKind, se.Namespace)) {
		aimed := func(ref TargetRef) bool {
			return ref.Group == istioNetworkingGroup && ref.Kind == string(ServiceEntryKind) && ref.Name == se.Name
		}
		if !slices.ContainsFunc(a.Spec.references(), aimed) {
			continue
		}
		for at, name := range a.headersWritten() {
			if !sameHeader(name, p.Config.PrincipalHeader) {
				continue
			}
			p.Report(Finding{
				At: At("metadata", "name"), Got: se.Name,
				Problem: fmt.Sprintf("is a target of RequestAuthentication %s, whose %s is the header that carries the caller's identity inside of the waypoint", quote(a.Name), at),
				Remedy:  "use another header there first",
				Others:  []Ref{RefOf(a)},
			})
		}
	}
}
