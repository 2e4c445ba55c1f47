package policy

import "strings"

func principalHeaderUntouched() *Rule {
	return &Rule{
		ID:       "SP302",
		Name:     "principal-header-untouched",
		Title:    "Nobody but the platform's EnvoyFilter writes the principal header.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{HTTPRoute: checkPrincipalHeaderUntouched},
	}
}

func checkPrincipalHeaderUntouched(p *Pass, r *Route) {
	if !leavesByWaypoint(p, r) {
		return
	}
	for at, header := range r.headers() {
		if strings.EqualFold(header.Name, p.Config.PrincipalHeader) {
			p.Report(Finding{
				At: at.Key("name"), Got: header.Name,
				Problem: "is the header that carries the caller's identity inside of the waypoint",
				Remedy:  "use another header, or remove this one with a filter's remove list",
			})
		}
	}
}
