package policy

import "fmt"

func hostForm() *Rule {
	return &Rule{
		ID:       "SP501",
		Name:     "host-form",
		Title:    "A synthetic host is <app>.<own namespace>.<real host>.invalid, in canonical form.",
		Severity: Deny,
		Check:    Checks{ServiceEntry: checkHostForm, DestinationRule: checkRuleHost},
	}
}

// notCanonical is the problem of a spelling that istiod, which compares hosts
// byte by byte, takes for another host.
const notCanonical = "is not in canonical form: lower case, no white space, no dot at the end"

func checkHostForm(p *Pass, se *ServiceEntry) {
	if !declaresSynthetic(p.Config, se) {
		return
	}
	for i, h := range se.hosts() {
		f := Finding{At: At("spec", "hosts").Index(i), Got: se.Spec.Hosts[i]}
		if f.Problem, f.Remedy = hostFormProblem(p.Config, se.Namespace, se.Spec.Hosts[i], h); f.Problem != "" {
			p.Report(f)
		}
	}
}

func hostFormProblem(config *Config, namespace, raw string, h Host) (problem, remedy string) {
	form := fmt.Sprintf("write \"<app>.%s.<real host>.%s\"", namespace, config.SyntheticSuffix)
	if !config.Synthetic(h) {
		return "shares a ServiceEntry with a synthetic host", "declare it in a ServiceEntry of its own"
	}
	synthetic, err := ParseSynthetic(h, config.SyntheticSuffix)
	switch {
	case err != nil:
		return err.Error(), form
	case synthetic.Namespace != namespace && !config.EgressNamespace(namespace):
		return fmt.Sprintf("has %q where its namespace %s belongs", synthetic.Namespace, namespace), form
	case raw != string(h):
		return notCanonical, fmt.Sprintf("write %q", h)
	}
	return "", ""
}

// checkRuleHost judges the spelling only: a rule for a host in another
// spelling applies to nothing, and the mapping is in plaintext.
func checkRuleHost(p *Pass, dr *DestinationRule) {
	h := ParseHost(dr.Spec.Host)
	if p.Config.Synthetic(h) && dr.Spec.Host != string(h) {
		p.Report(Finding{At: At("spec", "host"), Got: dr.Spec.Host, Problem: notCanonical, Remedy: fmt.Sprintf("write %q", h)})
	}
}
