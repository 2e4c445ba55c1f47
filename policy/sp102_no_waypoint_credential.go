package policy

import "fmt"

func noWaypointCredential() *Rule {
	return &Rule{
		ID:       "SP102",
		Name:     "no-waypoint-credential",
		Title:    "A mapping uses no key or file of the waypoint and no source of certificates but Secrets.",
		Severity: Deny,
		Check:    Checks{DestinationRule: checkNoWaypointCredential},
	}
}

func checkNoWaypointCredential(p *Pass, dr *DestinationRule) {
	host := ParseHost(dr.Spec.Host)
	if p.Config.EgressNamespace(dr.Namespace) || !host.Reaches(p.Config.SyntheticSuffix) {
		return
	}
	remedy := fmt.Sprintf("use credentialName with a Secret of %s, e.g. %q", dr.Namespace, dr.Namespace+"/app1")
	for at, tls := range dr.tlsSettings() {
		// A wildcard far beyond the synthetic hosts covers them nevertheless. The
		// files it names may be those of a sidecar.
		synthetic := p.Config.Synthetic(host)
		if c := parseCredential(tls.CredentialName); !c.secret() && (synthetic || tls.Mode == mutual) {
			p.Report(Finding{
				At: at.Key("credentialName"), Got: tls.CredentialName,
				Problem: fmt.Sprintf("has the scheme %q, which does not stand for a Secret of the own namespace", c.Scheme),
				Remedy:  remedy,
			})
		}
		for _, f := range tls.files() {
			if synthetic && f.value != "" {
				p.Report(Finding{
					At: at.Key(f.field), Got: f.value,
					Problem: "is a file inside of the waypoint's Pod, which all tenants share",
					Remedy:  remedy,
				})
			}
		}
	}
}

type fileField struct{ field, value string }

// files lists the fields that name files of the proxy.
func (t *ClientTLS) files() []fileField {
	return []fileField{
		{"clientCertificate", t.ClientCertificate},
		{"privateKey", t.PrivateKey},
		{"caCertificates", t.CACertificates},
		{"caCrl", t.CACRL},
	}
}

func (t *ClientTLS) namesFiles() bool {
	return t.ClientCertificate != "" || t.PrivateKey != ""
}
