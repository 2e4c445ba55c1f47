package policy

import (
	"fmt"
	"strings"
)

func noFormatOperators() *Rule {
	return &Rule{
		ID:       "SP301",
		Name:     "no-format-operators",
		Title:    "Header values on the egress path are plain text: nothing for Envoy to fill in.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind, VirtualServiceKind},
		Check: Checks{
			GRPCRoute:      checkNoFormatOperators,
			HTTPRoute:      checkNoFormatOperators,
			VirtualService: checkNoOperatorsInRules,
		},
	}
}

func checkNoFormatOperators(p *Pass, r *Route) {
	if !leavesByWaypoint(p, r) {
		return
	}
	for at, header := range r.headers() {
		checkPlainValue(p, at.Key("value"), header)
	}
}

func checkNoOperatorsInRules(p *Pass, vs *VirtualService) {
	if !routesEgress(p, vs) {
		return
	}
	for at, header := range vs.headers() {
		checkPlainValue(p, at, header)
	}
	checkDelegatedHeaders(p, vs, func(h Header) bool { return formatOperator(h.Value) != "" }, Finding{
		Problem: "has an instruction to Envoy among its header values, which would fill in that header itself, for instance with the caller's identity",
		Remedy:  `have plain text written there first, with "%%" for a percent sign`,
	})
}

// checkDelegatedHeaders judges the other end of a delegation: the headers of
// what is there already when requests of the egress path are left to it.
func checkDelegatedHeaders(p *Pass, vs *VirtualService, wrong func(Header) bool, f Finding) {
	if !standsForEgress(p, vs) {
		return
	}
	for at, to := range vs.delegates(p.World) {
		if to.anyHeader(wrong) {
			f.At, f.Got, f.Others = at, to.Name, []Ref{RefOf(to)}
			p.Report(f)
		}
	}
}

func checkPlainValue(p *Pass, at Path, header Header) {
	operator := formatOperator(header.Value)
	if operator == "" {
		return
	}
	f := Finding{
		At: at, Got: operator,
		Problem: fmt.Sprintf("is an instruction to Envoy, which would fill the header %s itself, for instance with the caller's identity", quote(header.Name)),
		Remedy:  `write plain text, with "%%" for a percent sign`,
	}
	if strings.LastIndexByte(operator, '%') == 0 {
		f.Problem = "begins an instruction to Envoy that does not end, for which Envoy refuses the listener of all tenants"
	}
	p.Report(f)
}
