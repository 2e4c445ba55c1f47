package policy

import (
	"fmt"
	"slices"
	"strings"
)

func ownPrincipal() *Rule {
	return &Rule{
		ID:       "SP201",
		Name:     "own-principal",
		Title:    "A route on a shared host takes only the requests of workloads of its own namespace.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{GRPCRoute: checkOwnPrincipal, HTTPRoute: checkOwnPrincipal},
	}
}

func checkOwnPrincipal(p *Pass, r *Route) {
	if p.Config.EgressNamespace(r.Namespace) || !attachesToEgress(p, r) {
		return
	}
	for i, rule := range r.Spec.Rules {
		at := At("spec", "rules").Index(i).Key("matches")
		if len(rule.Matches) == 0 {
			reportOpenMatch(p, r, at)
		}
		for j, match := range rule.Matches {
			checkPrincipalMatch(p, r, at.Index(j).Key("headers"), match.Headers)
		}
	}
}

func checkPrincipalMatch(p *Pass, r *Route, at Path, headers []HeaderMatch) {
	var found []int
	for i, h := range headers {
		if sameHeader(h.Name, p.Config.PrincipalHeader) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		reportOpenMatch(p, r, at)
		return
	}
	if len(found) > 1 {
		p.Report(Finding{
			At: at.Index(found[1]).Key("name"), Got: headers[found[1]].Name,
			Problem: "occurs twice in one match, and readers differ about which one counts",
			Remedy:  "keep one, and write one match for each service account",
		})
	}
	for _, i := range found {
		checkPrincipalValue(p, r, at.Index(i), headers[i])
	}
}

// sameHeader tells whether Envoy takes the names for those of one header. They
// compare without case (RFC 9110, section 5.1), which only ASCII letters have.
// EqualFold knows more, such as U+017F for s, but those take more bytes.
func sameHeader(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}

func checkPrincipalValue(p *Pass, r *Route, at Path, h HeaderMatch) {
	if h.Type != "" && h.Type != "Exact" {
		p.Report(Finding{At: at.Key("type"), Got: h.Type, Problem: "can match the identity of another namespace", Remedy: `write "Exact"`})
		return
	}
	remedy := "write " + ownID(p.Config, r.Namespace)
	id, ok := parsePrincipal(h.Value)
	f := Finding{At: at.Key("value"), Got: h.Value, Remedy: remedy}
	switch {
	case h.Value == "":
		f.Problem = "is missing"
	case !ok:
		f.Problem = "is not the SPIFFE id of a workload"
	case id.Namespace != r.Namespace:
		f.Problem = "is an identity of another namespace"
	case !slices.Contains(p.Config.TrustDomains, id.TrustDomain):
		f.Problem = fmt.Sprintf("has the trust domain %s, which is not the mesh's", quote(id.TrustDomain))
	default:
		return
	}
	p.Report(f)
}

func reportOpenMatch(p *Pass, r *Route, at Path) {
	p.Report(Finding{
		At:      at,
		Problem: "takes requests of every workload of the mesh",
		Remedy:  fmt.Sprintf("match the header %s with type Exact and the value %s", quote(p.Config.PrincipalHeader), ownID(p.Config, r.Namespace)),
	})
}

// ownID writes an identity of the namespace for a message.
func ownID(config *Config, namespace string) string {
	return `"` + principal{config.TrustDomains[0], namespace, "<service account>"}.String() + `"`
}
