package policy

import "fmt"

func ownCredential() *Rule {
	return &Rule{
		ID:       "SP101",
		Name:     "own-credential",
		Title:    "The client certificate of a mapping is a Secret of its own namespace, written as namespace/name.",
		Severity: Deny,
		Fixes:    []Kind{DestinationRuleKind},
		Check:    Checks{DestinationRule: checkOwnCredential},
	}
}

func checkOwnCredential(p *Pass, dr *DestinationRule) {
	host := ParseHost(dr.Spec.Host)
	if p.Config.EgressNamespace(dr.Namespace) || !host.Reaches(p.Config.SyntheticSuffix) {
		return
	}
	for at, tls := range dr.tlsSettings() {
		at := at.Key("credentialName")
		c := parseCredential(tls.CredentialName)
		foreign := c.Namespace != "" && c.Namespace != dr.Namespace
		switch {
		case !p.Config.Synthetic(host) && (tls.Mode != mutual || !foreign):
			// A wildcard far beyond the synthetic hosts is a sidecar's business,
			// as long as it presents no certificate of another namespace.
		case tls.CredentialName == "":
			if tls.Mode == mutual && !tls.namesFiles() {
				p.Report(Finding{
					At:      at,
					Problem: "is missing, so that istiod can build no TLS settings and falls back to plaintext",
					Remedy:  fmt.Sprintf("name a Secret of %s, e.g. %q", dr.Namespace, dr.Namespace+"/app1"),
				})
			}
		case !c.secret(): // SP102's
		case foreign && c.WellFormed:
			p.Report(Finding{
				At: at, Got: tls.CredentialName,
				Problem: "belongs to another namespace",
				Remedy:  fmt.Sprintf("use a Secret of %s, e.g. %q", dr.Namespace, dr.Namespace+"/"+c.Name),
			})
		case !c.WellFormed:
			p.Report(Finding{
				At: at, Got: tls.CredentialName,
				Problem: "is not the name of a Secret",
				Remedy:  fmt.Sprintf("write %q", dr.Namespace+"/<secret>"),
			})
		case tls.CredentialName != dr.Namespace+"/"+c.Name:
			full := dr.Namespace + "/" + c.Name
			p.Report(Finding{
				At: at, Got: tls.CredentialName,
				Problem: "is not written as namespace/name, so that the waypoint may look for it in a namespace of its own",
				Remedy:  fmt.Sprintf("write %q", full),
				Fix:     []Edit{{At: at, Value: full}},
			})
		}
	}
}
