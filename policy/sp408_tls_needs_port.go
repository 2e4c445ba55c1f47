package policy

import (
	"fmt"
	"slices"
)

func tlsNeedsPort() *Rule {
	return &Rule{
		ID:       "SP408",
		Name:     "tls-needs-port",
		Title:    "TLS is originated towards a port of the external host that speaks TLS.",
		Severity: Warn,
		Reads:    []Kind{DestinationRuleKind, ServiceEntryKind},
		Check:    Checks{DestinationRule: checkTLSPorts, ServiceEntry: checkPortForTLS},
	}
}

// plaintextNumber is the port that stands for HTTP without TLS. On any other
// port a server may speak TLS.
const plaintextNumber = 80

const speaksPlaintext = "where the external server speaks plaintext"

const writeTargetPort = "write targetPort: 443 in the ServiceEntry"

func checkTLSPorts(p *Pass, dr *DestinationRule) {
	host := ParseHost(dr.Spec.Host)
	if p.Config.Synthetic(host) { // SP404's
		return
	}
	ports := externalPorts(p, host)
	if len(ports) == 0 {
		return
	}
	for at, policy := range dr.trafficPolicies() {
		checkPolicyPorts(p, at, policy, ports)
	}
}

func checkPolicyPorts(p *Pass, at Path, policy *TrafficPolicy, ports []externalPort) {
	for _, port := range ports {
		if policy.TLS.towardsServer() && policy.portPolicy(port.Number) == nil && port.plaintext() {
			p.Report(Finding{
				At: at.Key("tls"), Got: policy.TLS.Mode,
				Problem: fmt.Sprintf("is for port %d, too, %s", port.Number, speaksPlaintext),
				Remedy:  writeTargetPort + ", or use portLevelSettings",
			})
		}
	}
	for i, entry := range policy.PortLevelSettings {
		if entry.Port == nil || !entry.TLS.towardsServer() {
			continue
		}
		f := Finding{At: at.Key("portLevelSettings").Index(i).Key("port", "number"), Got: fmt.Sprint(entry.Port.Number)}
		declared := slices.IndexFunc(ports, func(port externalPort) bool { return port.Number == entry.Port.Number })
		switch {
		case declared < 0:
			f.Problem = "is no port of the ServiceEntry, so that no TLS is originated"
			f.Remedy = "write one of its ports: " + numbers(numbersOf(ports))
		case ports[declared].plaintext():
			f.Problem = "is " + speaksPlaintext
			f.Remedy = writeTargetPort + ", or name its port of TLS"
		default:
			continue
		}
		p.Report(f)
	}
}

// externalPort is a port of an external host, with what decides which port of
// the server it means.
type externalPort struct {
	ServicePort
	se *ServiceEntry
}

// externalPorts returns the ports that ServiceEntries declare for the host as
// an external one.
func externalPorts(p *Pass, h Host) []externalPort {
	var ports []externalPort
	for _, se := range serviceEntriesOf(p.World, h) {
		if !se.External() {
			return nil
		}
		for _, port := range se.Spec.Ports {
			ports = append(ports, externalPort{port, se})
		}
	}
	return ports
}

func numbersOf(ports []externalPort) []uint32 {
	var all []uint32
	for _, port := range ports {
		all = append(all, port.Number)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// plaintext tells whether requests go to the server's port of plaintext.
// Endpoints may have ports of their own (istio.io/istio
// pilot/pkg/serviceregistry/serviceentry/conversion.go,
// convertWorkloadInstanceToServiceInstance).
func (e externalPort) plaintext() bool {
	target := e.Number
	if e.TargetPort != 0 {
		target = e.TargetPort
	}
	elsewhere := func(endpoint Endpoint) bool { return endpoint.Ports[e.Name] != 0 }
	return target == plaintextNumber && e.http() &&
		e.se.Spec.WorkloadSelector == nil && !slices.ContainsFunc(e.se.Spec.Endpoints, elsewhere)
}

// towardsServer tells whether the settings are for TLS with a server of its own
// kind. ISTIO_MUTUAL is for workloads of a mesh.
func (t *ClientTLS) towardsServer() bool {
	return t.originates() && t.Mode != "ISTIO_MUTUAL"
}

// checkPortForTLS judges the ports by the rules of the namespace that are there
// already.
func checkPortForTLS(p *Pass, se *ServiceEntry) {
	if !se.External() || declaresSynthetic(p.Config, se) {
		return
	}
	for _, h := range hostsOf(se) {
		for _, dr := range destinationRulesOf(p.World, h) {
			if dr.Namespace == se.Namespace {
				checkPortsForRule(p, se, dr)
			}
		}
	}
}

func checkPortsForRule(p *Pass, se *ServiceEntry, dr *DestinationRule) {
	rule := "DestinationRule " + quote(dr.Name)
	for i, port := range se.Spec.Ports {
		if !dr.Spec.TrafficPolicy.tlsOf(port.Number).towardsServer() || !(externalPort{port, se}).plaintext() {
			continue
		}
		p.Report(Finding{
			At: At("spec", "ports").Index(i).Key("number"), Got: fmt.Sprint(port.Number),
			Problem: fmt.Sprintf("is %s, but %s originates TLS towards it", speaksPlaintext, rule),
			Remedy:  "write targetPort: 443",
			Others:  []Ref{RefOf(dr)},
		})
	}
	for _, policy := range dr.trafficPolicies() {
		for _, entry := range policy.PortLevelSettings {
			named := func(port ServicePort) bool { return entry.Port != nil && port.Number == entry.Port.Number }
			if entry.Port == nil || !entry.TLS.towardsServer() || slices.ContainsFunc(se.Spec.Ports, named) {
				continue
			}
			p.Report(Finding{
				At:      At("spec", "ports"),
				Problem: fmt.Sprintf("has no port %d, for which %s originates TLS", entry.Port.Number, rule),
				Remedy:  "add the port here, or write one of these ports there",
				Others:  []Ref{RefOf(dr)},
			})
		}
	}
}
