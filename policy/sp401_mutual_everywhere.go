package policy

import (
	"fmt"
	"slices"
)

func mutualEverywhere() *Rule {
	return &Rule{
		ID:       "SP401",
		Name:     "mutual-everywhere",
		Title:    "Traffic to a synthetic host is MUTUAL TLS on every port and in every subset.",
		Severity: Deny,
		Reads:    []Kind{DestinationRuleKind, ServiceEntryKind},
		Check:    Checks{DestinationRule: checkMutualEverywhere, ServiceEntry: checkMutualPorts},
	}
}

func checkMutualEverywhere(p *Pass, dr *DestinationRule) {
	host := ParseHost(dr.Spec.Host)
	if !p.Config.Synthetic(host) {
		return
	}
	for at, tls := range dr.tlsSettings() {
		checkMutual(p, at, tls)
	}
	for at, policy := range dr.trafficPolicies() {
		for i, port := range policy.PortLevelSettings {
			if port.TLS == nil {
				p.Report(Finding{
					At:      at.Key("portLevelSettings").Index(i).Key("tls"),
					Problem: "is missing, and settings of a port inherit nothing, so that the port is in plaintext",
					Remedy:  "repeat the tls settings here, or remove the entry of this port",
				})
			}
		}
	}
	if dr.Spec.TrafficPolicy == nil || dr.Spec.TrafficPolicy.TLS == nil {
		checkPortsCovered(p, dr, host)
	}
}

func checkMutual(p *Pass, at Path, tls *ClientTLS) {
	f := Finding{At: at.Key("mode"), Got: tls.Mode, Remedy: fmt.Sprintf("write %q", mutual)}
	switch tls.Mode {
	case mutual:
	case "", "DISABLE":
		f.Problem = "sends plaintext to the external server"
	case "SIMPLE":
		f.Problem = "presents no client certificate"
	case "ISTIO_MUTUAL":
		f.Problem = "presents the waypoint's own mesh certificate"
	default:
		f.Problem = "is not a mode that presents the app's certificate"
	}
	if tls.Mode == "" {
		f.Problem = "is missing, which means DISABLE and " + f.Problem
	}
	if f.Problem != "" {
		p.Report(f)
	}
	if tls.InsecureSkipVerify {
		p.Report(Finding{At: at.Key("insecureSkipVerify"), Got: "true", Problem: "presents the app's certificate to any server that answers", Remedy: "remove it"})
	}
}

// checkPortsCovered judges a rule whose TLS settings are all those of single
// ports or subsets.
func checkPortsCovered(p *Pass, dr *DestinationRule, host Host) {
	at := At("spec", "trafficPolicy", "tls")
	remedy := fmt.Sprintf("write tls settings with mode %s here, for all ports", mutual)
	if dr.Spec.TrafficPolicy == nil || len(dr.Spec.TrafficPolicy.PortLevelSettings) == 0 {
		p.Report(Finding{At: at, Problem: "is missing, so that plaintext goes to the external server", Remedy: remedy})
		return
	}
	for _, port := range portsOf(p, dr, host) {
		if dr.Spec.TrafficPolicy.portPolicy(port) == nil {
			p.Report(Finding{At: at, Problem: fmt.Sprintf("is missing and port %d of the host has no settings of its own, so that it is in plaintext", port), Remedy: remedy})
		}
	}
}

// portsOf returns the ports of the host whose TLS settings the rule decides.
func portsOf(p *Pass, dr *DestinationRule, host Host) []uint32 {
	var ports []uint32
	for _, se := range serviceEntriesOf(p.World, host) {
		if !decides(p.Config, dr, se) {
			continue
		}
		for _, port := range se.Spec.Ports {
			ports = append(ports, port.Number)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// decides tells whether an egress waypoint takes the TLS settings for the
// ServiceEntry from the rule: it looks in its own namespace, then in that of
// the ServiceEntry (istio.io/istio pilot/pkg/model/push_context.go,
// destinationRule).
func decides(config *Config, dr *DestinationRule, se *ServiceEntry) bool {
	return dr.Namespace == se.Namespace || config.EgressNamespace(dr.Namespace)
}

// checkMutualPorts judges the ports of a synthetic host by the DestinationRule
// that is there already. One that is not there yet is judged when it comes.
func checkMutualPorts(p *Pass, se *ServiceEntry) {
	for _, h := range se.hosts() {
		if !p.Config.Synthetic(h) {
			continue
		}
		for _, dr := range destinationRulesOf(p.World, h) {
			if decides(p.Config, dr, se) {
				checkPortsBy(p, se, dr)
			}
		}
	}
}

func checkPortsBy(p *Pass, se *ServiceEntry, dr *DestinationRule) {
	for i, port := range se.Spec.Ports {
		if dr.Spec.TrafficPolicy.tlsOf(port.Number) != nil {
			continue
		}
		p.Report(Finding{
			At: At("spec", "ports").Index(i).Key("number"), Got: fmt.Sprint(port.Number),
			Problem: fmt.Sprintf("has no TLS settings in %s, so that it is in plaintext", nameOf(dr, se)),
			Remedy:  "write spec.trafficPolicy.tls there, for all ports, first",
			Others:  []Ref{RefOf(dr)},
		})
	}
}

// tlsOf returns the TLS settings of a port, nil if there are none: those of
// its own entry, which inherits nothing, or else those of the host.
func (p *TrafficPolicy) tlsOf(port uint32) *ClientTLS {
	if p == nil {
		return nil
	}
	if entry := p.portPolicy(port); entry != nil {
		return entry.TLS
	}
	return p.TLS
}
