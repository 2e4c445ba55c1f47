package policy

import (
	"fmt"
	"slices"
)

func ownCredential() *Rule {
	return &Rule{
		ID:       "SP101",
		Name:     "own-credential",
		Title:    "The client certificate of a mapping is a Secret of its own namespace, written as namespace/name.",
		Severity: Deny,
		Fixes:    []Kind{DestinationRuleKind},
		Reads:    []Kind{DestinationRuleKind, NamespaceKind, ServiceEntryKind},
		Check:    Checks{DestinationRule: checkOwnCredential, ServiceEntry: checkOwnCredentialThere},
	}
}

func checkOwnCredential(p *Pass, dr *DestinationRule) {
	if p.Config.EgressNamespace(dr.Namespace) {
		return
	}
	host := fullHost(p.Config, dr.Namespace, dr.Spec.Host)
	synthetic := p.Config.Synthetic(host)
	bound := boundBy(p, dr.Namespace, host)
	if !synthetic && !bound && !host.Reaches(p.Config.SyntheticSuffix) {
		return
	}
	for at, tls := range dr.tlsSettings() {
		c := parseCredential(tls.CredentialName)
		foreign := c.foreign(dr.Namespace) && (bound || tls.Mode == mutual)
		if !synthetic && !foreign && !(bound && tls.Mode == mutual) {
			// Without a client certificate a Secret holds a CA at most. And a
			// wildcard far beyond the synthetic hosts is a sidecar's business, as
			// long as it presents no certificate of another namespace.
			continue
		}
		f := Finding{At: at.Key("credentialName"), Got: tls.CredentialName}
		if f.Problem, f.Remedy = credentialProblem(tls, c, dr.Namespace); f.Problem == "" {
			continue
		}
		if tls.CredentialName != "" && c.WellFormed && !c.foreign(dr.Namespace) {
			f.Fix = []Edit{{At: f.At, Value: dr.Namespace + "/" + c.Name}}
		}
		p.Report(f)
	}
}

// boundBy tells whether the host is, or covers, one that the namespace itself
// has bound to an egress waypoint, which takes its settings from there.
func boundBy(p *Pass, namespace string, h Host) bool {
	return slices.ContainsFunc(protectors(p.Config, p.World, h), func(se *ServiceEntry) bool { return se.Namespace == namespace })
}

// credentialProblem says why the waypoint would not present the namespace's own
// certificate, "" if it would.
func credentialProblem(tls *ClientTLS, c credential, namespace string) (problem, remedy string) {
	switch {
	case tls.CredentialName == "":
		if tls.Mode != mutual || tls.namesFiles() {
			return "", ""
		}
		return "is missing, so that istiod can build no TLS settings and falls back to plaintext", fmt.Sprintf("name a Secret of %s, e.g. %q", namespace, namespace+"/app1")
	case !c.secret(): // SP102's
		return "", ""
	case c.foreign(namespace) && c.WellFormed:
		return "belongs to another namespace", fmt.Sprintf("use a Secret of %s, e.g. %q", namespace, namespace+"/"+c.Name)
	case !c.WellFormed:
		return "is not the name of a Secret", fmt.Sprintf("write %q", namespace+"/<secret>")
	case tls.CredentialName != namespace+"/"+c.Name:
		return "is not written as namespace/name, so that the waypoint may look for it in a namespace of its own", fmt.Sprintf("write %q", namespace+"/"+c.Name)
	}
	return "", ""
}

// checkOwnCredentialThere judges the other end: a host that the namespace binds
// to an egress waypoint when the DestinationRule is there already. That of a
// synthetic host was judged when it came.
func checkOwnCredentialThere(p *Pass, se *ServiceEntry) {
	if p.Config.EgressNamespace(se.Namespace) || !protects(p.Config, p.World, se) {
		return
	}
	for i, h := range se.hosts() {
		for _, dr := range rulesThatApply(p, se.Namespace, h) {
			for at, tls := range dr.tlsSettings() {
				field, value := otherSource(tls, se.Namespace)
				if field == "" {
					continue
				}
				p.Report(Finding{
					At: At("spec", "hosts").Index(i), Got: se.Spec.Hosts[i],
					Problem: fmt.Sprintf("would leave with %s, which DestinationRule %s says at %s and which is not the full name of a Secret of %s", quote(value), quote(dr.Name), at.Key(field), se.Namespace),
					Remedy:  fmt.Sprintf("write credentialName: \"%s/<secret>\" there first", se.Namespace),
					Others:  []Ref{RefOf(dr)},
				})
			}
		}
	}
}

// otherSource returns the first field of the TLS settings by which the waypoint
// would present or use what is not the namespace's own.
func otherSource(tls *ClientTLS, namespace string) (field, value string) {
	c := parseCredential(tls.CredentialName)
	own := c.WellFormed && tls.CredentialName == namespace+"/"+c.Name
	if tls.CredentialName != "" && !own && (tls.Mode == mutual || c.secret() && c.foreign(namespace)) {
		return "credentialName", tls.CredentialName
	}
	for _, f := range tls.keyFiles() {
		if tls.Mode == mutual && f.value != "" {
			return f.field, f.value
		}
	}
	return "", ""
}

// rulesThatApply returns the DestinationRules of a namespace that istiod takes
// the settings of its host from, or may take.
func rulesThatApply(p *Pass, namespace string, h Host) []*DestinationRule {
	if exact := exactRules(p, namespace, h); len(exact) > 0 {
		return exact
	}
	covering := typed[*DestinationRule](p.World.Covering(DestinationRuleKind, h))
	return slices.DeleteFunc(covering, func(dr *DestinationRule) bool { return dr.Namespace != namespace })
}
