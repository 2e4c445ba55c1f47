package policy

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// VirtualService is what the rules read of a networking.istio.io
// VirtualService.
type VirtualService struct {
	Meta `json:"metadata"`
	Spec VirtualServiceSpec `json:"spec"`
}

// Kind is VirtualServiceKind.
func (*VirtualService) Kind() Kind { return VirtualServiceKind }

type VirtualServiceSpec struct {
	Hosts    []string `json:"hosts"`
	Gateways []string `json:"gateways"`
	ExportTo []string `json:"exportTo"`
	HTTP     []VSHTTP `json:"http"`
	TLS      []VSL4   `json:"tls"`
	TCP      []VSL4   `json:"tcp"`
}

type VSHTTP struct {
	Match    []VSMatch      `json:"match"`
	Route    []VSWeighted   `json:"route"`
	Delegate *VSDelegate    `json:"delegate"`
	Redirect *VSRedirect    `json:"redirect"`
	Mirror   *VSDestination `json:"mirror"`
	Mirrors  []VSMirror     `json:"mirrors"`
	Headers  *VSHeaders     `json:"headers"`

	Rewrite    *VSRewrite `json:"rewrite"`
	CORSPolicy *VSCORS    `json:"corsPolicy"`
}

// VSMatch holds the string matches that reach Envoy as regexes.
type VSMatch struct {
	URI            *VSString           `json:"uri"`
	Scheme         *VSString           `json:"scheme"`
	Method         *VSString           `json:"method"`
	Authority      *VSString           `json:"authority"`
	Headers        map[string]VSString `json:"headers"`
	WithoutHeaders map[string]VSString `json:"withoutHeaders"`
	QueryParams    map[string]VSString `json:"queryParams"`
	Gateways       []string            `json:"gateways"`
	Port           uint32              `json:"port"`
}

type VSString struct {
	Exact  string  `json:"exact"`
	Prefix string  `json:"prefix"`
	Regex  *string `json:"regex"`
}

// VSRewrite and VSCORS hold further expressions.
type VSRewrite struct {
	URI             string          `json:"uri"`
	Authority       string          `json:"authority"`
	URIRegexRewrite *VSRegexRewrite `json:"uriRegexRewrite"`
}

type VSRegexRewrite struct {
	Match string `json:"match"`
}

type VSCORS struct {
	AllowOrigins []VSString `json:"allowOrigins"`
}

type VSL4 struct {
	Route []VSL4Weighted `json:"route"`
}

type VSL4Weighted struct {
	Destination VSDestination `json:"destination"`
	Weight      int32         `json:"weight"`
}

type VSWeighted struct {
	VSL4Weighted `json:",inline"`
	Headers      *VSHeaders `json:"headers"`
}

type VSMirror struct {
	Destination VSDestination `json:"destination"`
}

type VSDestination struct {
	Host   string        `json:"host"`
	Subset string        `json:"subset"`
	Port   *PortSelector `json:"port"`
}

type VSDelegate struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type VSRedirect struct {
	URI       string `json:"uri"`
	Authority string `json:"authority"`
}

type VSHeaders struct {
	Request  *VSHeaderOps `json:"request"`
	Response *VSHeaderOps `json:"response"`
}

type VSHeaderOps struct {
	Set    map[string]string `json:"set"`
	Add    map[string]string `json:"add"`
	Remove []string          `json:"remove"`
}

// inMesh tells whether the rules are those of the mesh, and thereby of its
// waypoints, and not of gateways alone (istio.io/istio
// pilot/pkg/model/push_context.go, getGatewayNames).
func (vs *VirtualService) inMesh() bool {
	return len(vs.Spec.Gateways) == 0 || slices.Contains(vs.Spec.Gateways, "mesh")
}

// ref is the delegate of a VirtualService in this namespace.
func (d *VSDelegate) ref(namespace string) Ref {
	return Ref{VirtualServiceKind, cmp.Or(d.Namespace, namespace), d.Name}
}

// delegatesTo tells whether one of the rules leaves its requests to that other
// VirtualService.
func (vs *VirtualService) delegatesTo(other Ref) bool {
	return slices.ContainsFunc(vs.Spec.HTTP, func(http VSHTTP) bool {
		return http.Delegate != nil && http.Delegate.ref(vs.Namespace) == other
	})
}

// sendsTo tells whether requests, or copies of them, are sent to such a host.
func (vs *VirtualService) sendsTo(such func(Host) bool) bool {
	for _, destination := range vs.destinations() {
		if such(ParseHost(destination.Host)) {
			return true
		}
	}
	return false
}

// destinations yields every place that requests, or copies of them, are sent
// to, with the path to its host.
func (vs *VirtualService) destinations() iter.Seq2[Path, *VSDestination] {
	return func(yield func(Path, *VSDestination) bool) {
		for i := range vs.Spec.HTTP {
			if !vs.Spec.HTTP[i].destinations(At("spec", "http").Index(i), yield) {
				return
			}
		}
		for _, l4 := range []struct {
			at     Path
			routes []VSL4
		}{{At("spec", "tls"), vs.Spec.TLS}, {At("spec", "tcp"), vs.Spec.TCP}} {
			for i := range l4.routes {
				for j := range l4.routes[i].Route {
					if !yield(l4.at.Index(i).Key("route").Index(j).Key("destination"), &l4.routes[i].Route[j].Destination) {
						return
					}
				}
			}
		}
	}
}

func (h *VSHTTP) destinations(at Path, yield func(Path, *VSDestination) bool) bool {
	for i := range h.Route {
		if !yield(at.Key("route").Index(i).Key("destination"), &h.Route[i].Destination) {
			return false
		}
	}
	if h.Mirror != nil && !yield(at.Key("mirror"), h.Mirror) {
		return false
	}
	for i := range h.Mirrors {
		if !yield(at.Key("mirrors").Index(i).Key("destination"), &h.Mirrors[i].Destination) {
			return false
		}
	}
	return true
}

// headers yields every header that is set or added, on the request and on the
// response, for a rule and for one of its destinations. The path leads to the
// value; its last key is the header's name. Maps are walked in sorted order.
func (vs *VirtualService) headers() iter.Seq2[Path, Header] {
	return func(yield func(Path, Header) bool) {
		for i, http := range vs.Spec.HTTP {
			at := At("spec", "http").Index(i)
			if !http.Headers.each(at.Key("headers"), yield) {
				return
			}
			for j, route := range http.Route {
				if !route.Headers.each(at.Key("route").Index(j).Key("headers"), yield) {
					return
				}
			}
		}
	}
}

func (vs *VirtualService) anyHeader(such func(Header) bool) bool {
	for _, header := range vs.headers() {
		if such(header) {
			return true
		}
	}
	return false
}

func (h *VSHeaders) each(at Path, yield func(Path, Header) bool) bool {
	if h == nil {
		return true
	}
	return h.Request.each(at.Key("request"), yield) && h.Response.each(at.Key("response"), yield)
}

func (o *VSHeaderOps) each(at Path, yield func(Path, Header) bool) bool {
	if o == nil {
		return true
	}
	for _, m := range []struct {
		key     string
		headers map[string]string
	}{{"set", o.Set}, {"add", o.Add}} {
		for _, name := range slices.Sorted(maps.Keys(m.headers)) {
			if !yield(at.Key(m.key, name), Header{Name: name, Value: m.headers[name]}) {
				return false
			}
		}
	}
	return true
}
