package policy

import (
	"fmt"
	"slices"
	"strings"
)

func portCovered() *Rule {
	return &Rule{
		ID:       "SP404",
		Name:     "port-covered",
		Title:    "Settings for single ports of a synthetic host name its ports, and these are HTTPS.",
		Severity: Deny,
		Reads:    []Kind{DestinationRuleKind, ServiceEntryKind},
		Check:    Checks{DestinationRule: checkPortsNamed, ServiceEntry: checkSyntheticPorts},
	}
}

func checkPortsNamed(p *Pass, dr *DestinationRule) {
	host := ParseHost(dr.Spec.Host)
	if !p.Config.Synthetic(host) {
		return
	}
	ports := portsOf(p, dr, host)
	for at, policy := range dr.trafficPolicies() {
		for i, entry := range policy.PortLevelSettings {
			checkPortNamed(p, dr, at.Key("portLevelSettings").Index(i).Key("port"), entry.Port, ports)
		}
	}
}

func checkPortNamed(p *Pass, dr *DestinationRule, at Path, port *PortSelector, ports []uint32) {
	if port == nil || port.Number == 0 {
		p.Report(Finding{At: at, Problem: "names no port, so that the settings apply to nothing", Remedy: "write the number of a port of the ServiceEntry"})
		return
	}
	if len(ports) == 0 || slices.Contains(ports, port.Number) {
		return // the ServiceEntry may come later
	}
	f := Finding{
		At: at.Key("number"), Got: fmt.Sprint(port.Number),
		Problem: "is no port of the host, so that the settings apply to nothing",
		Remedy:  "write one of its ports: " + numbers(ports),
	}
	if aheadOf(dr, ports) {
		f.Severity = Warn
		f.Remedy = "add the port to the ServiceEntry next, or remove the settings"
	}
	p.Report(f)
}

// aheadOf tells whether the rule may be meant for a port that is to be added.
// When each port has settings of its own, those of a new port have to be there
// first: SP401 refuses a port without.
func aheadOf(dr *DestinationRule, ports []uint32) bool {
	policy := dr.Spec.TrafficPolicy
	return policy != nil && policy.TLS == nil &&
		!slices.ContainsFunc(ports, func(port uint32) bool { return policy.tlsOf(port) == nil })
}

// numbers writes port numbers for a message.
func numbers(ports []uint32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ", "), "[]")
}

func checkSyntheticPorts(p *Pass, se *ServiceEntry) {
	if !declaresSynthetic(p.Config, se) {
		return
	}
	for i, port := range se.Spec.Ports {
		f := Finding{At: At("spec", "ports").Index(i).Key("protocol"), Got: port.Protocol, Remedy: `write "HTTPS"`}
		// Not EqualFold, which knows more letters (istio.io/istio
		// pkg/config/protocol/instance.go, Parse).
		switch strings.ToLower(port.Protocol) {
		case "https", "tls":
			continue
		case "":
			f.Problem = "is missing, so that the port passes for one of plaintext"
		case "http2", "grpc", "grpc-web":
			f.Problem = "is a protocol without TLS, while the server is spoken to in TLS"
			f.Remedy += `, and connectionPool.http.h2UpgradePolicy: "UPGRADE" in the DestinationRule`
		default:
			f.Problem = "is a protocol without TLS, while the server is spoken to in TLS"
		}
		p.Report(f)
	}
	for _, h := range hostsOf(se) {
		for _, dr := range destinationRulesOf(p.World, h) {
			if p.Config.Synthetic(h) && decides(p.Config, dr, se) {
				checkNamedPortsStay(p, se, h, dr)
			}
		}
	}
}

// checkNamedPortsStay warns of settings for a port that the host does not have.
// It does not refuse: the settings do no harm, and a port has to go from here
// before they can go from there.
func checkNamedPortsStay(p *Pass, se *ServiceEntry, h Host, dr *DestinationRule) {
	var ports []uint32
	for _, port := range se.Spec.Ports {
		ports = append(ports, port.Number)
	}
	for _, holder := range serviceEntriesOf(p.World, h) {
		for _, port := range holder.Spec.Ports {
			if !p.self(holder) {
				ports = append(ports, port.Number)
			}
		}
	}
	for _, policy := range dr.trafficPolicies() {
		for _, entry := range policy.PortLevelSettings {
			if entry.Port == nil || slices.Contains(ports, entry.Port.Number) {
				continue
			}
			p.Report(Finding{
				At: At("spec", "ports"), Severity: Warn,
				Problem: fmt.Sprintf("has no port %d, for which %s has settings", entry.Port.Number, nameOf(dr, se)),
				Remedy:  "add the port here, or remove the settings there",
				Others:  []Ref{RefOf(dr)},
			})
			ports = append(ports, entry.Port.Number) // told once
		}
	}
}

// nameOf calls a rule by its name where the owner of the ServiceEntry may know
// it.
func nameOf(dr *DestinationRule, se *ServiceEntry) string {
	if dr.Namespace != se.Namespace {
		return "a DestinationRule of the platform"
	}
	return "DestinationRule " + quote(dr.Name)
}
