package policy

import "fmt"

func ownBackend() *Rule {
	return &Rule{
		ID:       "SP103",
		Name:     "own-backend",
		Title:    "Only the namespace that a synthetic host names sends traffic to it.",
		Severity: Deny,
		Check:    Checks{HTTPRoute: checkOwnBackend, ServiceEntry: checkOwnEndpoint},
	}
}

func checkOwnBackend(p *Pass, r *Route) {
	if p.Config.EgressNamespace(r.Namespace) {
		return
	}
	for at, backend := range r.backends() {
		checkOwnTarget(p, r.Namespace, at.Key("name"), backend.Name)
	}
}

func checkOwnEndpoint(p *Pass, se *ServiceEntry) {
	if p.Config.EgressNamespace(se.Namespace) {
		return
	}
	for i, endpoint := range se.Spec.Endpoints {
		checkOwnTarget(p, se.Namespace, At("spec", "endpoints").Index(i).Key("address"), endpoint.Address)
	}
}

// checkOwnTarget compares a name that traffic is sent to with the one that is
// built from the own namespace, so that no spelling passes for another.
func checkOwnTarget(p *Pass, namespace string, at Path, name string) {
	host := ParseHost(name)
	if !p.Config.Synthetic(host) {
		return
	}
	synthetic, err := ParseSynthetic(host, p.Config.SyntheticSuffix)
	if err != nil {
		p.Report(Finding{
			At: at, Got: name,
			Problem: err.Error() + ", so it is no synthetic host",
			Remedy:  fmt.Sprintf("write \"<app>.%s.<real host>.%s\"", namespace, p.Config.SyntheticSuffix),
		})
		return
	}
	own := synthetic
	own.Namespace = namespace
	want := string(own.Host(p.Config.SyntheticSuffix))
	switch {
	case synthetic != own:
		p.Report(Finding{
			At: at, Got: name,
			Problem: "is the synthetic host of another namespace",
			Remedy:  fmt.Sprintf("send to one of %s, e.g. %q", namespace, want),
		})
	case name != want:
		p.Report(Finding{At: at, Got: name, Problem: notCanonical, Remedy: fmt.Sprintf("write %q", want)})
	}
}
