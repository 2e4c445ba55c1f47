package policy

import "iter"

// Route is what the rules read of the routes of gateway.networking.k8s.io:
// HTTPRoute, GRPCRoute, TLSRoute, TCPRoute and UDPRoute. What they have in
// common they have under the same names.
type Route struct {
	Meta `json:"metadata"`
	Spec RouteSpec `json:"spec"`

	kind Kind
}

// Kind is that of one of the routes.
func (r *Route) Kind() Kind { return r.kind }

type RouteSpec struct {
	ParentRefs []ParentRef `json:"parentRefs"`
	Hostnames  []string    `json:"hostnames"`
	Rules      []RouteRule `json:"rules"`
}

// ParentRef names what a route attaches to. Group and Kind are pointers
// because absent and empty mean different things.
type ParentRef struct {
	Group     *string `json:"group"`
	Kind      *string `json:"kind"`
	Namespace *string `json:"namespace"`
	Name      string  `json:"name"`
	Port      *int32  `json:"port"`
}

type RouteRule struct {
	Matches     []RouteMatch      `json:"matches"`
	Filters     []RouteFilter     `json:"filters"`
	BackendRefs []RouteBackendRef `json:"backendRefs"`
}

type RouteMatch struct {
	Path        *PathMatch    `json:"path"`
	Headers     []HeaderMatch `json:"headers"`
	QueryParams []HeaderMatch `json:"queryParams"`
	// Method is a string in an HTTPRoute, and an object with type, service and
	// method in a GRPCRoute.
	Method any `json:"method"`
}

// PathMatch has pointers for values that may be absent or empty.
type PathMatch struct {
	Type  string  `json:"type"`
	Value *string `json:"value"`
}

type HeaderMatch struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

type RouteBackendRef struct {
	BackendRef `json:",inline"`
	Weight     *int32        `json:"weight"`
	Filters    []RouteFilter `json:"filters"`
}

type BackendRef struct {
	Group     *string `json:"group"`
	Kind      *string `json:"kind"`
	Namespace *string `json:"namespace"`
	Name      string  `json:"name"`
	Port      *int32  `json:"port"`
}

// RouteFilter holds the filters that carry header values, paths or backends.
type RouteFilter struct {
	Type                   string          `json:"type"`
	RequestRedirect        *PathFilter     `json:"requestRedirect"`
	URLRewrite             *PathFilter     `json:"urlRewrite"`
	RequestHeaderModifier  *HeaderModifier `json:"requestHeaderModifier"`
	ResponseHeaderModifier *HeaderModifier `json:"responseHeaderModifier"`
	RequestMirror          *BackendFilter  `json:"requestMirror"`
	ExternalAuth           *BackendFilter  `json:"externalAuth"`
}

type HeaderModifier struct {
	Set    []Header `json:"set"`
	Add    []Header `json:"add"`
	Remove []string `json:"remove"`
}

type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// PathFilter is a filter that writes the path anew.
type PathFilter struct {
	Path *PathModifier `json:"path"`
}

type PathModifier struct {
	ReplaceFullPath    string `json:"replaceFullPath"`
	ReplacePrefixMatch string `json:"replacePrefixMatch"`
}

// BackendFilter is a filter that sends requests to a backend of its own.
type BackendFilter struct {
	BackendRef BackendRef `json:"backendRef"`
}

// parents returns what the route attaches to, as far as sallyport knows the
// kind (sigs.k8s.io/gateway-api apis/v1/shared_types.go, ParentReference, has
// the defaults).
func (r *Route) parents() []Ref {
	var parents []Ref
	for _, parent := range r.Spec.ParentRefs {
		group, kind, namespace := gatewayGroup, "Gateway", r.Namespace
		if parent.Group != nil {
			group = *parent.Group
		}
		if parent.Kind != nil {
			kind = *parent.Kind
		}
		if parent.Namespace != nil {
			namespace = *parent.Namespace
		}
		if info, ok := kindIn(group, kind); ok {
			parents = append(parents, Ref{info.Kind, namespace, parent.Name})
		}
	}
	return parents
}

// applyDefaults fills what the API server fills by the CRD's schema, so that
// a manifest in a file is judged like the stored object: no rules means one
// rule, no matches means one match, and both match everything
// (sigs.k8s.io/gateway-api apis/v1/httproute_types.go, kubebuilder:default).
func (r *Route) applyDefaults() {
	if r.kind != HTTPRouteKind {
		return
	}
	if r.Spec.Rules == nil {
		r.Spec.Rules = make([]RouteRule, 1)
	}
	for i := range r.Spec.Rules {
		if r.Spec.Rules[i].Matches == nil {
			r.Spec.Rules[i].Matches = make([]RouteMatch, 1)
		}
	}
}

// filters yields every filter: those of the rules and those of the backends.
func (r *Route) filters() iter.Seq2[Path, *RouteFilter] {
	return func(yield func(Path, *RouteFilter) bool) {
		for i, rule := range r.Spec.Rules {
			at := At("spec", "rules").Index(i)
			for j := range rule.Filters {
				if !yield(at.Key("filters").Index(j), &rule.Filters[j]) {
					return
				}
			}
			for j, backend := range rule.BackendRefs {
				for k := range backend.Filters {
					if !yield(at.Key("backendRefs").Index(j).Key("filters").Index(k), &backend.Filters[k]) {
						return
					}
				}
			}
		}
	}
}

// headers yields every header that a filter sets or adds, on the request and
// on the response.
func (r *Route) headers() iter.Seq2[Path, Header] {
	return func(yield func(Path, Header) bool) {
		for at, filter := range r.filters() {
			for _, m := range []struct {
				at       Path
				modifier *HeaderModifier
			}{
				{at.Key("requestHeaderModifier"), filter.RequestHeaderModifier},
				{at.Key("responseHeaderModifier"), filter.ResponseHeaderModifier},
			} {
				if m.modifier != nil && !m.modifier.each(m.at, yield) {
					return
				}
			}
		}
	}
}

func (m *HeaderModifier) each(at Path, yield func(Path, Header) bool) bool {
	for i, header := range m.Set {
		if !yield(at.Key("set").Index(i), header) {
			return false
		}
	}
	for i, header := range m.Add {
		if !yield(at.Key("add").Index(i), header) {
			return false
		}
	}
	return true
}

// backends yields every backend that requests, or copies of them, are sent to.
func (r *Route) backends() iter.Seq2[Path, *BackendRef] {
	return func(yield func(Path, *BackendRef) bool) {
		for i, rule := range r.Spec.Rules {
			for j := range rule.BackendRefs {
				at := At("spec", "rules").Index(i).Key("backendRefs").Index(j)
				if !yield(at, &rule.BackendRefs[j].BackendRef) {
					return
				}
			}
		}
		for at, filter := range r.filters() {
			if filter.RequestMirror != nil && !yield(at.Key("requestMirror", "backendRef"), &filter.RequestMirror.BackendRef) {
				return
			}
			if filter.ExternalAuth != nil && !yield(at.Key("externalAuth", "backendRef"), &filter.ExternalAuth.BackendRef) {
				return
			}
		}
	}
}

// used yields those backends that requests are sent to. istiod leaves out the
// ones of weight 0, with their filters (istio.io/istio
// pilot/pkg/config/kube/gateway/conversion.go, buildHTTPDestination).
func (r *Route) used() iter.Seq2[Path, *BackendRef] {
	return func(yield func(Path, *BackendRef) bool) {
		for at, backend := range r.backends() {
			// spec, rules, i, backendRefs, j
			if at[3].Key == "backendRefs" && !r.Spec.Rules[at[2].Index].BackendRefs[at[4].Index].weighs() {
				continue
			}
			if !yield(at, backend) {
				return
			}
		}
	}
}

// weighs tells whether the backend gets a share of the requests.
func (b *RouteBackendRef) weighs() bool { return b.Weight == nil || *b.Weight != 0 }
