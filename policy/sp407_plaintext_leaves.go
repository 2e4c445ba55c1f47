package policy

import (
	"fmt"
	"slices"
	"strings"
)

func plaintextLeaves() *Rule {
	return &Rule{
		ID:       "SP407",
		Name:     "plaintext-leaves",
		Title:    "What a gateway or an egress waypoint sends out of the mesh is encrypted.",
		Severity: Warn,
		Reads:    []Kind{DestinationRuleKind, GRPCRouteKind, HTTPRouteKind, NamespaceKind, ServiceEntryKind, VirtualServiceKind},
		Check: Checks{
			GRPCRoute: checkRouteEncrypts, HTTPRoute: checkRouteEncrypts,
			ServiceEntry: checkEntryEncrypted, VirtualService: checkVirtualServiceEncrypts,
		},
	}
}

// The route is warned of, not the ServiceEntry: an external host that speaks
// HTTP is nothing unusual, and the platform's ServiceEntries are meant to be
// taken over by mappings. The ServiceEntry is, when it comes after the route.

// reportPlaintext warns of requests that are sent to a port of the host.
func reportPlaintext(p *Pass, at Path, got string, port uint32) {
	f := Finding{
		At: at, Got: got,
		Problem: fmt.Sprintf("gets requests out of the mesh in plaintext, on port %d", port),
		Remedy:  "send to a port of TLS, or write a DestinationRule with tls for this one",
	}
	if p.Config.Synthetic(ParseHost(got)) {
		f.Remedy = "write its DestinationRule first"
	}
	p.Report(f)
}

func checkVirtualServiceEncrypts(p *Pass, vs *VirtualService) {
	for at, d := range vs.gatewayDestinations(p) {
		if port := plaintextPort(p, ParseHost(d.Host), d.port(), d.Subset); port != 0 {
			reportPlaintext(p, at.Key("host"), d.Host, port)
		}
	}
}

func checkRouteEncrypts(p *Pass, r *Route) {
	if !r.atGateway() && !attachesToEgress(p, r) {
		return
	}
	for at, b := range r.used() {
		if port := plaintextPort(p, b.host(), b.port(), ""); port != 0 {
			reportPlaintext(p, at.Key("name"), b.Name, port)
		}
	}
}

func checkEntryEncrypted(p *Pass, se *ServiceEntry) {
	if !se.External() {
		return
	}
	for _, h := range hostsOf(se) {
		targets := targetPorts(p, h)
		if len(targets) == 0 || p.Config.Synthetic(h) {
			continue
		}
		for i, port := range se.Spec.Ports {
			hit := slices.Contains(targets, port.Number) || len(se.Spec.Ports) == 1 && slices.Contains(targets, 0)
			if hit && port.http() && !encryptedBy(p, h, port.Number, "") {
				p.Report(Finding{
					At: At("spec", "ports").Index(i).Key("number"), Got: fmt.Sprint(port.Number),
					Problem: fmt.Sprintf("is where a route sends the requests for %s, out of the mesh in plaintext", quote(string(h))),
					Remedy:  "have it send to a port of TLS, or write a DestinationRule with tls for this one",
				})
			}
		}
	}
}

// targetPorts returns the ports of the host that routes of gateways and egress
// waypoints send to, 0 for one that a route leaves open.
func targetPorts(p *Pass, h Host) []uint32 {
	var ports []uint32
	for _, vs := range typed[*VirtualService](p.World.Named(VirtualServiceKind, h)) {
		for _, d := range vs.gatewayDestinations(p) {
			if ParseHost(d.Host) == h {
				ports = append(ports, d.port())
			}
		}
	}
	for _, kind := range mappingRoutes {
		for _, r := range typed[*Route](p.World.Named(kind, h)) {
			if !r.atGateway() && !attachesToEgress(p, r) {
				continue
			}
			for _, b := range r.used() {
				if b.host() == h {
					ports = append(ports, b.port())
				}
			}
		}
	}
	return ports
}

// plaintextPort returns the port by which requests to the host leave the mesh
// unencrypted, 0 if they do not. Plain HTTP to a port of TLS is not meant: the
// server refuses it, and the DestinationRule often comes right after the route.
func plaintextPort(p *Pass, h Host, port uint32, subset string) uint32 {
	var found uint32
	for _, se := range serviceEntriesOf(p.World, h) {
		if !se.External() {
			return 0
		}
		for _, declared := range se.Spec.Ports {
			switch {
			case port != 0 && declared.Number != port || port == 0 && len(se.Spec.Ports) > 1:
			case !declared.http() && !p.Config.Synthetic(h) || encryptedBy(p, h, declared.Number, subset):
				return 0
			default:
				found = declared.Number
			}
		}
	}
	return found
}

// http tells whether the port is one of HTTP without TLS, in any spelling
// (istio.io/istio pkg/config/protocol/instance.go, Parse).
func (s ServicePort) http() bool {
	return slices.Contains([]string{"http", "http2", "grpc", "grpc-web"}, strings.ToLower(s.Protocol))
}

// encryptedBy tells whether a DestinationRule, be it of whatever namespace,
// makes TLS of the requests.
func encryptedBy(p *Pass, h Host, port uint32, subset string) bool {
	rules := append(p.World.Named(DestinationRuleKind, h), p.World.Covering(DestinationRuleKind, h)...)
	return slices.ContainsFunc(typed[*DestinationRule](rules), func(dr *DestinationRule) bool { return dr.encrypts(port, subset) })
}

// encrypts tells whether requests to the port leave in TLS (istio.io/istio
// pilot/pkg/networking/util/util.go, MergeSubsetTrafficPolicy).
func (dr *DestinationRule) encrypts(port uint32, subset string) bool {
	tls := dr.Spec.TrafficPolicy.tlsOf(port)
	for _, s := range dr.Spec.Subsets {
		if s.Name == subset && (s.TrafficPolicy.portPolicy(port) != nil || s.TrafficPolicy.tlsOf(port) != nil) {
			tls = s.TrafficPolicy.tlsOf(port)
		}
	}
	return tls.originates()
}

// originatesTLS tells whether the rule makes TLS of some requests.
func (dr *DestinationRule) originatesTLS() bool {
	for _, tls := range dr.tlsSettings() {
		if tls.originates() {
			return true
		}
	}
	return false
}

func (t *ClientTLS) originates() bool {
	return t != nil && t.Mode != "" && t.Mode != "DISABLE"
}

// gatewayDestinations yields where the VirtualService sends what it takes at a
// gateway, and what it takes at an egress waypoint for another host: where the
// host stays the same, requests leave as they would without it.
func (vs *VirtualService) gatewayDestinations(p *Pass) func(func(Path, *VSDestination) bool) {
	return func(yield func(Path, *VSDestination) bool) {
		waypoint := vs.atWaypoint(p)
		for i := range vs.Spec.HTTP {
			http := &vs.Spec.HTTP[i]
			gateway := vs.atGateway(http)
			if !gateway && !waypoint {
				continue
			}
			keep := func(at Path, d *VSDestination) bool {
				elsewhere := gateway || !slices.Contains(hostsOf(vs), ParseHost(d.Host))
				return !elsewhere || yield(at, d)
			}
			if !http.destinations(At("spec", "http").Index(i), keep) {
				return
			}
		}
	}
}

// atGateway tells whether some gateway takes the route.
func (vs *VirtualService) atGateway(http *VSHTTP) bool {
	named := func(name string) bool { return name != "mesh" }
	if len(http.Match) == 0 {
		return slices.ContainsFunc(vs.Spec.Gateways, named)
	}
	return slices.ContainsFunc(http.Match, func(m VSMatch) bool {
		if len(m.Gateways) > 0 {
			return slices.ContainsFunc(m.Gateways, named)
		}
		return slices.ContainsFunc(vs.Spec.Gateways, named)
	})
}

// atWaypoint tells whether an egress waypoint takes routes from the
// VirtualService: those of the mesh, for the hosts that it holds (istio.io/istio
// pilot/pkg/networking/core/listener_waypoint.go, getVirtualServiceForWaypoint).
func (vs *VirtualService) atWaypoint(p *Pass) bool {
	return vs.inMesh() && slices.ContainsFunc(hostsOf(vs), func(h Host) bool { return len(protectors(p.Config, p.World, h)) > 0 })
}

func (d *VSDestination) port() uint32 {
	if d.Port == nil {
		return 0
	}
	return d.Port.Number
}

// atGateway tells whether a Gateway takes the route.
func (r *Route) atGateway() bool {
	return slices.ContainsFunc(r.parents(), func(parent Ref) bool { return parent.Kind == GatewayKind })
}

// host returns the host that the reference names, "" for other kinds.
func (b *BackendRef) host() Host {
	if group, kind := b.target(); group != istioNetworkingGroup || kind != hostnameKind {
		return ""
	}
	return ParseHost(b.Name)
}

func (b *BackendRef) port() uint32 {
	if b.Port == nil || *b.Port < 0 {
		return 0
	}
	return uint32(*b.Port)
}
