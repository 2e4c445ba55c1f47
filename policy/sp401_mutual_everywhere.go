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
	for _, port := range portsOf(p.World.ServiceEntriesOf(host)) {
		if dr.Spec.TrafficPolicy.portPolicy(port) == nil {
			p.Report(Finding{At: at, Problem: fmt.Sprintf("is missing and port %d of the host has no settings of its own, so that it is in plaintext", port), Remedy: remedy})
		}
	}
}

func portsOf(entries []*ServiceEntry) []uint32 {
	var ports []uint32
	for _, se := range entries {
		for _, port := range se.Spec.Ports {
			if !slices.Contains(ports, port.Number) {
				ports = append(ports, port.Number)
			}
		}
	}
	slices.Sort(ports)
	return ports
}

// checkMutualPorts judges the ports of a synthetic host by the DestinationRule
// that is there already.
func checkMutualPorts(p *Pass, se *ServiceEntry) {
	for _, h := range se.hosts() {
		if !p.Config.Synthetic(h) {
			continue
		}
		for _, dr := range p.World.DestinationRulesOf(h) {
			policy := dr.Spec.TrafficPolicy
			if dr.Namespace != se.Namespace || policy == nil || policy.TLS != nil || len(policy.PortLevelSettings) == 0 {
				continue
			}
			for i, port := range se.Spec.Ports {
				if policy.portPolicy(port.Number) == nil {
					p.Report(Finding{
						At: At("spec", "ports").Index(i).Key("number"), Got: fmt.Sprint(port.Number),
						Problem: fmt.Sprintf("has no TLS settings in DestinationRule %s, so that it is in plaintext", quote(dr.Name)),
						Remedy:  "write spec.trafficPolicy.tls there, for all ports, first",
					})
				}
			}
		}
	}
}
