package policy

func noCatchAll() *Rule {
	return &Rule{
		ID:       "SP504",
		Name:     "no-catch-all",
		Title:    "No route of the platform on a shared host takes the requests of everyone.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{GRPCRoute: checkNoCatchAll, HTTPRoute: checkNoCatchAll},
	}
}

func checkNoCatchAll(p *Pass, r *Route) {
	if !p.Config.EgressNamespace(r.Namespace) || !sharesHost(p, r) {
		return
	}
	for i, rule := range r.Spec.Rules {
		at := At("spec", "rules").Index(i).Key("matches")
		for j, match := range rule.matches() {
			if !match.takesAll(p.Config, r.kind) {
				continue
			}
			f := Finding{
				At:      at.Index(j),
				Problem: "takes the requests of every workload, before the routes of the tenants are asked",
				Remedy:  `match the header ` + quote(p.Config.PrincipalHeader) + ` with type Exact and a value, be it one that nobody has, e.g. "none"`,
			}
			if len(rule.Matches) == 0 {
				f.At = at
			}
			p.Report(f)
		}
	}
}

// sharesHost tells whether the route attaches to a host that leaves by an
// egress waypoint. What is not there yet may be one, when it comes.
func sharesHost(p *Pass, r *Route) bool {
	for _, se := range egressParents(p, r) {
		if se == nil || leavesByEgress(p, se) {
			return true
		}
	}
	return false
}

// takesAll tells whether the match takes each request of each workload.
func (m RouteMatch) takesAll(config *Config, kind Kind) bool {
	if !m.anyOf(config, kind) {
		return false
	}
	for _, h := range m.Headers { // the principal header, in whatever number
		if h.Type != regexMatch || h.Value != "*" && !acceptsAll(h.Value, anyWorkload(config)...) {
			return false
		}
	}
	return true
}

// anyWorkload returns identities that have little in common.
func anyWorkload(config *Config) []string {
	var ids []string
	for _, domain := range config.TrustDomains {
		ids = append(ids,
			principal{domain, "a", "b"}.String(),
			principal{domain, "team-7", "x.y-z"}.String(),
			principal{domain, "zz-top", "default"}.String())
	}
	return ids
}
