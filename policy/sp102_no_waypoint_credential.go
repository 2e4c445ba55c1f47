package policy

import "fmt"

func noWaypointCredential() *Rule {
	return &Rule{
		ID:       "SP102",
		Name:     "no-waypoint-credential",
		Title:    "A mapping uses no key or file of the waypoint and no source of certificates but Secrets.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{DestinationRule: checkNoWaypointCredential},
	}
}

func checkNoWaypointCredential(p *Pass, dr *DestinationRule) {
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
		if synthetic || tls.Mode == mutual {
			checkScheme(p, dr, at, tls)
		}
		// A wildcard far beyond the synthetic hosts covers them, too, but the
		// files that it names may be those of a sidecar.
		switch {
		case synthetic:
			checkNoFiles(p, dr, at, tls.files())
		case bound && tls.Mode == mutual:
			checkNoFiles(p, dr, at, tls.keyFiles())
		}
	}
}

func checkScheme(p *Pass, dr *DestinationRule, at Path, tls *ClientTLS) {
	c := parseCredential(tls.CredentialName)
	if c.secret() {
		return
	}
	p.Report(Finding{
		At: at.Key("credentialName"), Got: tls.CredentialName,
		Problem: fmt.Sprintf("has the scheme %s, which does not stand for a Secret of the own namespace", quote(c.Scheme)),
		Remedy:  useOwnSecret(dr),
	})
}

func checkNoFiles(p *Pass, dr *DestinationRule, at Path, files []fileField) {
	for _, f := range files {
		if f.value == "" {
			continue
		}
		p.Report(Finding{
			At: at.Key(f.field), Got: f.value,
			Problem: "is a file inside of the waypoint's Pod, which all tenants share",
			Remedy:  useOwnSecret(dr),
		})
	}
}

func useOwnSecret(dr *DestinationRule) string {
	return fmt.Sprintf("use credentialName with a Secret of %s, e.g. %q", dr.Namespace, dr.Namespace+"/app1")
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

// keyFiles lists those of them that hold the client certificate.
func (t *ClientTLS) keyFiles() []fileField { return t.files()[:2] }

func (t *ClientTLS) namesFiles() bool {
	return t.ClientCertificate != "" || t.PrivateKey != ""
}
