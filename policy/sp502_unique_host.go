package policy

import "fmt"

func uniqueHost() *Rule {
	return &Rule{
		ID:       "SP502",
		Name:     "unique-host",
		Title:    "A synthetic host is declared once.",
		Severity: Deny,
		Reads:    []Kind{ServiceEntryKind},
		Check:    Checks{ServiceEntry: checkUniqueHost},
	}
}

func checkUniqueHost(p *Pass, se *ServiceEntry) {
	seen := map[Host]int{}
	for i, h := range se.hosts() {
		if !p.Config.Synthetic(h) {
			continue
		}
		f := Finding{At: At("spec", "hosts").Index(i), Got: se.Spec.Hosts[i], Remedy: "declare the host once"}
		if first, twice := seen[h]; twice {
			f.Problem = fmt.Sprintf("is the same host as spec.hosts[%d]", first)
			p.Report(f)
			continue
		}
		seen[h] = i
		for _, holder := range serviceEntriesOf(p.World, h) {
			// What the API server has yet to name is not there yet, whatever its
			// prefix is.
			if se.Name != "" && p.self(holder) {
				continue
			}
			f.Problem = "is declared by another namespace already"
			f.Remedy = "choose another app label, or ask the platform team who holds this one"
			if holder.Namespace == se.Namespace {
				f.Problem = fmt.Sprintf("is declared by ServiceEntry %s already", quote(holder.Name))
				f.Remedy = "choose another app label, or change the ServiceEntry that is there"
			}
			f.Others = []Ref{RefOf(holder)}
			p.Report(f)
			break
		}
	}
}
