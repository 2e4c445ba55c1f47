package policy

func noSideChannel() *Rule {
	return &Rule{
		ID:       "SP305",
		Name:     "no-side-channel",
		Title:    "Requests of a mapping go to its synthetic hosts and nowhere else, neither as copies nor through a proxy.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check: Checks{
			DestinationRule: checkNoDetour,
			GRPCRoute:       checkNoMirror,
			HTTPRoute:       checkNoMirror,
			VirtualService:  checkNoMirrorInRules,
		},
	}
}

// checkNoMirror judges the rules that attach to a host of the egress path, and
// those that send to a synthetic host.
func checkNoMirror(p *Pass, r *Route) {
	if p.Config.EgressNamespace(r.Namespace) {
		return
	}
	attached := attachesToEgress(p, r)
	for i, rule := range r.Spec.Rules {
		if !attached && !rule.sendsToSynthetic(p.Config) {
			continue
		}
		at := At("spec", "rules").Index(i)
		checkCopies(p, at, rule.Filters)
		for j, backend := range rule.BackendRefs {
			checkCopies(p, at.Key("backendRefs").Index(j), backend.Filters)
		}
	}
}

func (r *RouteRule) sendsToSynthetic(config *Config) bool {
	for _, backend := range r.BackendRefs {
		if config.Synthetic(ParseHost(backend.Name)) {
			return true
		}
	}
	return false
}

func checkCopies(p *Pass, at Path, filters []RouteFilter) {
	for i, filter := range filters {
		at := at.Key("filters").Index(i)
		if filter.RequestMirror != nil {
			checkCopyTo(p, at.Key("requestMirror", "backendRef", "name"), filter.RequestMirror.BackendRef.Name)
		}
		if filter.ExternalAuth != nil {
			checkCopyTo(p, at.Key("externalAuth", "backendRef", "name"), filter.ExternalAuth.BackendRef.Name)
		}
	}
}

func checkNoMirrorInRules(p *Pass, vs *VirtualService) {
	if p.Config.EgressNamespace(vs.Namespace) {
		return
	}
	for i, http := range vs.Spec.HTTP {
		if !http.sendsToSynthetic(p.Config) {
			continue
		}
		at := At("spec", "http").Index(i)
		if http.Mirror != nil {
			checkCopyTo(p, at.Key("mirror", "host"), http.Mirror.Host)
		}
		for j, mirror := range http.Mirrors {
			checkCopyTo(p, at.Key("mirrors").Index(j).Key("destination", "host"), mirror.Destination.Host)
		}
	}
}

func (h *VSHTTP) sendsToSynthetic(config *Config) bool {
	for _, route := range h.Route {
		if config.Synthetic(ParseHost(route.Destination.Host)) {
			return true
		}
	}
	return false
}

// checkCopyTo judges where copies go. Whose synthetic host it is, is SP103's.
func checkCopyTo(p *Pass, at Path, name string) {
	if p.Config.Synthetic(ParseHost(name)) {
		return
	}
	p.Report(Finding{
		At: at, Got: name,
		Problem: "gets copies of what a mapping sends, without the mapping's TLS",
		Remedy:  "remove it, or name a synthetic host of your own",
	})
}

// checkNoDetour judges the settings of a synthetic host. istiod applies them
// beside those of TLS (istio.io/istio
// pilot/pkg/networking/core/cluster_traffic_policy.go, applyTrafficPolicy, and
// pilot/pkg/networking/core/tunnelingconfig/apply.go).
func checkNoDetour(p *Pass, dr *DestinationRule) {
	if !p.Config.Synthetic(ParseHost(dr.Spec.Host)) {
		return
	}
	for at, policy := range dr.trafficPolicies() {
		if policy.ProxyProtocol != nil {
			p.Report(Finding{
				At: at.Key("proxyProtocol"), Got: policy.ProxyProtocol.Version,
				Problem: "sends addresses of the mesh to the external server, in plaintext ahead of TLS",
				Remedy:  "remove it",
			})
		}
		if policy.Tunnel != nil {
			p.Report(Finding{
				At: at.Key("tunnel"), Got: policy.Tunnel.TargetHost,
				Problem: "asks the server to pass the connection on, so that the one that gets it is not the real host",
				Remedy:  "remove it",
			})
		}
	}
	for at, lb := range dr.loadBalancers() {
		if lb.Simple == passthrough {
			p.Report(Finding{
				At: at.Key("simple"), Got: lb.Simple,
				Problem: "ignores the endpoint of the synthetic host and connects to the address that the client asked for",
				Remedy:  "remove it, or write another algorithm",
			})
		}
	}
}

// passthrough makes the cluster one of type ORIGINAL_DST (applyLoadBalancer,
// same file).
const passthrough = "PASSTHROUGH"
