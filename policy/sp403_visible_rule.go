package policy

import (
	"fmt"
	"slices"
	"strings"
)

func visibleRule() *Rule {
	return &Rule{
		ID:       "SP403",
		Name:     "visible-rule",
		Title:    "The DestinationRule of a synthetic host reaches the waypoint, and there is one.",
		Severity: Deny,
		Reads:    []Kind{DestinationRuleKind, NamespaceKind, ServiceEntryKind},
		Check:    Checks{DestinationRule: checkVisibleRule},
	}
}

func checkVisibleRule(p *Pass, dr *DestinationRule) {
	host := ParseHost(dr.Spec.Host)
	if !p.Config.Synthetic(host) {
		return
	}
	checkOnlyRule(p, dr, host)
	const unseen = ", which sends plaintext to the external server instead"
	if dr.Spec.WorkloadSelector != nil {
		p.Report(Finding{
			At:      At("spec", "workloadSelector"),
			Problem: "keeps the rule for Pods of its own namespace and from the waypoint" + unseen,
			Remedy:  "remove it",
		})
	}
	if hidden := hiddenFrom(p, dr, host); len(hidden) > 0 {
		p.Report(Finding{
			At: At("spec", "exportTo"), Got: strings.Join(dr.Spec.ExportTo, ", "),
			Problem: fmt.Sprintf("hides the rule from the waypoint in %s", strings.Join(hidden, " and ")) + unseen,
			Remedy:  `remove it, or write "*"`,
		})
	}
}

// checkOnlyRule refuses a second rule. istiod merges the rules of a namespace
// for one host or keeps one of them, by their age, their names and exportTo
// (istio.io/istio pilot/pkg/model/destination_rule.go, mergeDestinationRule).
// What another namespace declares does not count: the waypoint does not look
// there, and nobody is to stand in the way of others.
func checkOnlyRule(p *Pass, dr *DestinationRule, host Host) {
	for _, other := range destinationRulesOf(p.World, host) {
		if other.Namespace != dr.Namespace || p.self(other) {
			continue
		}
		p.Report(Finding{
			At: At("spec", "host"), Got: dr.Spec.Host,
			Problem: fmt.Sprintf("has DestinationRule %s already, and which settings of the two count depends on their age", quote(other.Name)),
			Remedy:  "change the DestinationRule that is there",
			Others:  []Ref{RefOf(other)},
		})
		return
	}
}

// hiddenFrom returns the namespaces of egress waypoints that should see the
// rule but do not.
func hiddenFrom(p *Pass, dr *DestinationRule, host Host) []string {
	if p.Config.EgressNamespace(dr.Namespace) {
		if dr.exportedTo(dr.Namespace) {
			return nil
		}
		return []string{dr.Namespace}
	}
	needed := wayOut(p, host)
	if needed == nil {
		// Nobody shares the real host yet: one waypoint that sees the rule will do.
		needed = p.Config.egressNamespaces()
		if slices.ContainsFunc(needed, dr.exportedTo) {
			return nil
		}
	}
	return slices.DeleteFunc(needed, dr.exportedTo)
}

// wayOut returns the namespaces of the egress waypoints by which requests for
// the real host of a mapping leave. Sorted, each once.
func wayOut(p *Pass, host Host) []string {
	synthetic, err := ParseSynthetic(host, p.Config.SyntheticSuffix)
	if err != nil {
		return nil
	}
	var namespaces []string
	for _, se := range protectors(p.Config, p.World, synthetic.Real) {
		if w, ok := waypointOf(&se.Meta, p.World); ok && p.Config.IsEgressWaypoint(w) {
			namespaces = append(namespaces, w.Namespace)
		}
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

// egressNamespaces returns the namespaces of the egress waypoints, each once.
func (c *Config) egressNamespaces() []string {
	var namespaces []string
	for _, w := range c.EgressWaypoints {
		namespaces = append(namespaces, w.Namespace)
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

// exportedTo tells whether a proxy of the namespace can see the rule, unless
// its workloadSelector says otherwise. Values are compared byte by byte
// (istio.io/istio pilot/pkg/model/push_context.go, setDestinationRules and
// getExportedDestinationRuleFromNamespace).
func (dr *DestinationRule) exportedTo(namespace string) bool {
	to := dr.Spec.ExportTo
	return len(to) == 0 || slices.Contains(to, "*") || slices.Contains(to, namespace) ||
		namespace == dr.Namespace && slices.Contains(to, ".")
}
