package policy

func principalHeaderUntouched() *Rule {
	return &Rule{
		ID:       "SP302",
		Name:     "principal-header-untouched",
		Title:    "Nobody but the platform's EnvoyFilter writes the principal header.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind, VirtualServiceKind},
		Check: Checks{
			GRPCRoute:      checkPrincipalHeaderUntouched,
			HTTPRoute:      checkPrincipalHeaderUntouched,
			VirtualService: checkPrincipalUntouchedByRules,
		},
	}
}

func checkPrincipalHeaderUntouched(p *Pass, r *Route) {
	if !leavesByWaypoint(p, r) {
		return
	}
	for at, header := range r.headers() {
		checkOtherHeader(p, at.Key("name"), header.Name, "a filter's remove list")
	}
}

func checkPrincipalUntouchedByRules(p *Pass, vs *VirtualService) {
	if !routesEgress(p, vs) {
		return
	}
	for at, header := range vs.headers() {
		checkOtherHeader(p, at, header.Name, "headers.request.remove")
	}
	checkDelegatedHeaders(p, vs, func(h Header) bool { return sameHeader(h.Name, p.Config.PrincipalHeader) }, Finding{
		Problem: "writes the header that carries the caller's identity inside of the waypoint",
		Remedy:  "have another header written there first",
	})
}

func checkOtherHeader(p *Pass, at Path, name, remover string) {
	if !sameHeader(name, p.Config.PrincipalHeader) {
		return
	}
	p.Report(Finding{
		At: at, Got: name,
		Problem: "is the header that carries the caller's identity inside of the waypoint",
		Remedy:  "use another header, or remove this one with " + remover,
	})
}
