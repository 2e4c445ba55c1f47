package policy

func noShadowingPolicy() *Rule {
	return &Rule{
		ID:       "SP505",
		Name:     "no-shadowing-policy",
		Title:    "No DestinationRule or VirtualService of the platform covers synthetic hosts by a wildcard.",
		Severity: Deny,
		Check:    Checks{DestinationRule: checkNoShadowingRule, VirtualService: checkNoShadowingVirtualService},
	}
}

func checkNoShadowingRule(p *Pass, dr *DestinationRule) {
	if !p.Config.EgressNamespace(dr.Namespace) || !shadows(p.Config, dr.Spec.Host) {
		return
	}
	p.Report(Finding{
		At: At("spec", "host"), Got: dr.Spec.Host,
		Problem: "covers synthetic hosts, so that the waypoint looks no further and presents no app's certificate",
		Remedy:  "name single hosts, or a wildcard that covers none below " + quote(string(p.Config.SyntheticSuffix)),
	})
}

func checkNoShadowingVirtualService(p *Pass, vs *VirtualService) {
	if !p.Config.EgressNamespace(vs.Namespace) || !vs.inMesh() {
		return
	}
	for i, h := range vs.Spec.Hosts {
		if shadows(p.Config, h) {
			p.Report(Finding{
				At: At("spec", "hosts").Index(i), Got: h,
				Problem: "covers synthetic hosts, and with them the way of every mapping",
				Remedy:  "name single hosts, or a wildcard that covers none below " + quote(string(p.Config.SyntheticSuffix)),
			})
		}
	}
}

// shadows tells whether the host is a wildcard that covers synthetic ones.
func shadows(config *Config, host string) bool {
	h := ParseHost(host)
	return h.Wildcard() && h.Reaches(config.SyntheticSuffix)
}
