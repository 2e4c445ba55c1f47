package policy

import "strings"

func verifiedServer() *Rule {
	return &Rule{
		ID:       "SP402",
		Name:     "verified-server",
		Title:    "A mapping says which names the server's certificate may carry.",
		Severity: Deny,
		Check:    Checks{DestinationRule: checkVerifiedServer},
	}
}

func checkVerifiedServer(p *Pass, dr *DestinationRule) {
	host := ParseHost(dr.Spec.Host)
	if !p.Config.Synthetic(host) {
		return
	}
	remedy := "list the names of the server's certificate"
	if synthetic, err := ParseSynthetic(host, p.Config.SyntheticSuffix); err == nil {
		remedy += ", e.g. " + quote(string(synthetic.Real))
	}
	for at, tls := range dr.tlsSettings() {
		// A list of empty names is as good as none.
		if strings.Join(tls.SubjectAltNames, "") != "" {
			continue
		}
		f := Finding{
			At:      at.Key("subjectAltNames"),
			Problem: "is missing, so that the server's certificate is held against no name but the one that the client asks for",
			Remedy:  remedy,
		}
		if tls.SNI != "" {
			f.Severity = Warn
			f.Problem = "is missing, and with sni alone no name of the server's certificate is checked"
		}
		p.Report(f)
	}
}
