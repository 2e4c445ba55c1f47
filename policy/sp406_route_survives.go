package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func routeSurvives() *Rule {
	return &Rule{
		ID:       "SP406",
		Name:     "route-survives",
		Title:    "A route on a shared host holds nothing that makes istiod drop it, and leads nowhere but to mappings.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{GRPCRoute: checkRouteSurvives, HTTPRoute: checkRouteSurvives},
	}
}

// What istiod cannot convert costs the object all of its rules, not the one
// alone (istio.io/istio pilot/pkg/config/kube/gateway/route_collections.go,
// computeRoute), and a host without routes goes out in plaintext
// (pilot/pkg/networking/core/listener_waypoint.go,
// buildWaypointInboundHTTPRouteConfig).
const dropped = ", so that istiod drops all rules of the route, and requests go out in plaintext"

func checkRouteSurvives(p *Pass, r *Route) {
	if !attachesToEgress(p, r) {
		return
	}
	checkParentPorts(p, r)
	for i, rule := range r.Spec.Rules {
		at := At("spec", "rules").Index(i)
		for j, match := range rule.Matches {
			checkMatchTypes(p, r, at.Key("matches").Index(j), match)
		}
		checkFilterTypes(p, at.Key("filters"), rule.Filters, ruleFilters(r.kind))
		checkRedirect(p, r, at.Key("filters"), rule)
		for j, backend := range rule.BackendRefs {
			if backend.weighs() {
				at := at.Key("backendRefs").Index(j)
				checkBackend(p, r, at, &rule.BackendRefs[j].BackendRef)
				checkFilterTypes(p, at.Key("filters"), backend.Filters, backendFilters)
			}
		}
	}
	for at, header := range r.headers() {
		checkHeaderValue(p, at.Key("value"), header)
	}
	checkMirrors(p, r)
}

// checkParentPorts looks for a typing error: a route on a port that the host
// does not have takes no requests.
func checkParentPorts(p *Pass, r *Route) {
	for i, se := range egressParents(p, r) {
		port := r.Spec.ParentRefs[i].Port
		if se == nil || port == nil || len(se.Spec.Ports) == 0 {
			continue
		}
		var ports []uint32
		for _, port := range se.Spec.Ports {
			ports = append(ports, port.Number)
		}
		if !slices.Contains(ports, uint32(*port)) {
			p.Report(Finding{
				At: At("spec", "parentRefs").Index(i).Key("port"), Got: fmt.Sprint(*port), Severity: Warn,
				Problem: "is no port of the host, so that the route takes no requests",
				Remedy:  "remove it, or write one of the host's ports: " + numbers(ports),
			})
		}
	}
}

const (
	exactMatch  = "Exact"
	prefixMatch = "PathPrefix"
	regexMatch  = "RegularExpression"
)

func checkMatchTypes(p *Pass, r *Route, at Path, match RouteMatch) {
	check := func(at Path, got string, known ...string) {
		if got != "" && !slices.Contains(known, got) {
			p.Report(Finding{At: at.Key("type"), Got: got, Problem: "is not known to istiod" + dropped, Remedy: "write " + either(known)})
		}
	}
	if match.Path != nil {
		check(at.Key("path"), match.Path.Type, prefixMatch, exactMatch, regexMatch)
	}
	for i, h := range match.Headers {
		check(at.Key("headers").Index(i), h.Type, exactMatch, regexMatch)
	}
	for i, q := range match.QueryParams {
		check(at.Key("queryParams").Index(i), q.Type, exactMatch, regexMatch)
	}
	if r.kind == GRPCRouteKind {
		check(at.Key("method"), match.grpcMethod().Type, exactMatch, regexMatch)
	}
}

// either writes the values that a field may have.
func either(values []string) string {
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, quote(v))
	}
	return strings.Join(quoted, " or ")
}

// grpcMethod is the method of a GRPCRoute's match.
type grpcMethod struct{ Type, Service, Method string }

func (m RouteMatch) grpcMethod() grpcMethod {
	fields, _ := m.Method.(map[string]any)
	text := func(key string) string { s, _ := fields[key].(string); return s }
	return grpcMethod{text("type"), text("service"), text("method")}
}

// ruleFilters and backendFilters are the filters that istiod converts
// (pilot/pkg/config/kube/gateway/conversion.go, convertHTTPRoute,
// convertGRPCRoute and buildHTTPDestination).
func ruleFilters(kind Kind) []string {
	common := []string{"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror"}
	if kind == GRPCRouteKind {
		return common
	}
	return append(common, "RequestRedirect", "URLRewrite", "CORS")
}

var backendFilters = []string{"RequestHeaderModifier", "ResponseHeaderModifier"}

func checkFilterTypes(p *Pass, at Path, filters []RouteFilter, known []string) {
	for i, filter := range filters {
		if !slices.Contains(known, filter.Type) {
			p.Report(Finding{
				At: at.Index(i).Key("type"), Got: filter.Type,
				Problem: "is not a filter that istiod knows here" + dropped,
				Remedy:  "remove it, or use one of " + strings.Join(known, ", "),
			})
		}
	}
}

// checkRedirect lets single paths be redirected. A redirect of everything sends
// the caller past the mapping. What the platform does is its own decision.
func checkRedirect(p *Pass, r *Route, at Path, rule RouteRule) {
	if p.Config.EgressNamespace(r.Namespace) {
		return
	}
	for i, filter := range rule.Filters {
		if filter.Type == "RequestRedirect" && slices.ContainsFunc(rule.matches(), func(m RouteMatch) bool { return m.anyOf(p.Config, r.kind) }) {
			p.Report(Finding{
				At: at.Index(i).Key("type"), Got: filter.Type,
				Problem: "sends the caller elsewhere with every request, past the mapping",
				Remedy:  "match the paths that are to be redirected, or send to the synthetic host",
			})
		}
	}
}

// matches returns the matches of the rule. None means one that matches all.
func (r RouteRule) matches() []RouteMatch {
	if len(r.Matches) == 0 {
		return make([]RouteMatch, 1)
	}
	return r.Matches
}

// anyOf tells whether the match takes all requests of whoever it takes: it
// looks at the principal header at most.
func (m RouteMatch) anyOf(config *Config, kind Kind) bool {
	if len(m.QueryParams) > 0 || kind == GRPCRouteKind && m.grpcMethod() != (grpcMethod{}) || kind != GRPCRouteKind && m.Method != nil {
		return false
	}
	for _, h := range m.Headers {
		if !sameHeader(h.Name, config.PrincipalHeader) {
			return false
		}
	}
	return m.Path == nil || m.Path.matchesAll()
}

// matchesAll tells whether the path match leaves no path out.
func (m *PathMatch) matchesAll() bool {
	value := "/"
	if m.Value != nil {
		value = *m.Value
	}
	switch m.Type {
	case "", prefixMatch:
		return strings.Trim(value, "/") == ""
	case regexMatch:
		return acceptsAll(value, "/", "/a", "/b/c.d/e-f", "/0/%20/~")
	}
	return false
}

// acceptsAll tells whether a regular expression, which Envoy holds against the
// whole value, accepts all of these rather different texts.
func acceptsAll(expression string, texts ...string) bool {
	if regexProblem(expression) != "" {
		return false
	}
	compiled, err := regexp.Compile("^(?:" + expression + ")$")
	return err == nil && !slices.ContainsFunc(texts, func(text string) bool { return !compiled.MatchString(text) })
}

func checkBackend(p *Pass, r *Route, at Path, b *BackendRef) {
	if !checkConvertible(p, at, b) || p.Config.EgressNamespace(r.Namespace) {
		return
	}
	group, kind := b.target()
	synthetic := p.Config.Synthetic(ParseHost(b.Name))
	const nowhere = "does not make a host of the name, so that the requests lead nowhere"
	switch {
	case !synthetic:
		p.Report(Finding{
			At: at.Key("name"), Got: b.Name,
			Problem: "is no synthetic host, so that the requests leave without the app's certificate",
			Remedy:  fmt.Sprintf("write \"<app>.%s.<real host>.%s\", or weight: 0", r.Namespace, p.Config.SyntheticSuffix),
		})
	case kind != hostnameKind:
		p.Report(Finding{At: at.Key("kind"), Got: kind, Problem: nowhere, Remedy: fmt.Sprintf("write %q", hostnameKind)})
	case group != istioNetworkingGroup:
		p.Report(Finding{At: at.Key("group"), Got: group, Problem: nowhere, Remedy: fmt.Sprintf("write %q", istioNetworkingGroup)})
	}
}

// checkConvertible judges a reference by what istiod makes of it (conversion.go,
// buildDestination): of an unknown kind it makes a destination that does not
// exist, but what it takes for a mistake costs the whole route.
func checkConvertible(p *Pass, at Path, b *BackendRef) bool {
	group, kind := b.target()
	service := group == "" && kind == string(ServiceKind)
	hostname := group == istioNetworkingGroup && kind == hostnameKind
	if !service && !hostname {
		return true
	}
	if service && strings.Contains(b.Name, ".") {
		p.Report(Finding{
			At: at.Key("kind"), Got: kind,
			Problem: "cannot have a host as its name" + dropped,
			Remedy:  fmt.Sprintf("write group: %s and kind: %s", istioNetworkingGroup, hostnameKind),
		})
		return false
	}
	if hostname && b.Namespace != nil {
		p.Report(Finding{At: at.Key("namespace"), Got: *b.Namespace, Problem: "stands beside kind Hostname, which has none" + dropped, Remedy: "remove it"})
	}
	if b.Port == nil {
		p.Report(Finding{At: at.Key("port"), Problem: "is missing" + dropped, Remedy: "write the port of the ServiceEntry, e.g. 443"})
	}
	return true
}

// hostnameKind is the kind of a backend that is named by its host.
const hostnameKind = "Hostname"

// target returns group and kind with their defaults.
func (b *BackendRef) target() (group, kind string) {
	kind = string(ServiceKind)
	if b.Group != nil {
		group = *b.Group
	}
	if b.Kind != nil {
		kind = *b.Kind
	}
	return group, kind
}

// checkMirrors judges what a GRPCRoute mirrors to. Of an HTTPRoute, istiod
// drops a mirror that it cannot convert, and no more.
func checkMirrors(p *Pass, r *Route) {
	if r.kind != GRPCRouteKind {
		return
	}
	for at, filter := range r.filters() {
		if filter.RequestMirror != nil {
			checkConvertible(p, at.Key("requestMirror", "backendRef"), &filter.RequestMirror.BackendRef)
		}
	}
}

// checkHeaderValue looks for characters that istiod lets no header have
// (conversion.go, isValidHeaderValue).
func checkHeaderValue(p *Pass, at Path, header Header) {
	if i := strings.IndexFunc(header.Value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }); i >= 0 {
		p.Report(Finding{
			At: at, Got: header.Value,
			Problem: fmt.Sprintf("holds the character %s", quote(header.Value[i:i+1])) + dropped,
			Remedy:  "write printable text",
		})
	}
}
