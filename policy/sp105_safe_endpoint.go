package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func safeEndpoint() *Rule {
	return &Rule{
		ID:       "SP105",
		Name:     "safe-endpoint",
		Title:    "A synthetic host leads to the real host that its name names, outside of the cluster, and nowhere else.",
		Severity: Deny,
		Fixes:    []Kind{ServiceEntryKind},
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{ServiceEntry: checkSafeEndpoint},
	}
}

func checkSafeEndpoint(p *Pass, se *ServiceEntry) {
	var real Host
	for i, h := range se.hosts() {
		synthetic, err := ParseSynthetic(h, p.Config.SyntheticSuffix)
		if err != nil {
			continue // SP501's, or not synthetic
		}
		at := At("spec", "hosts").Index(i)
		if problem := unsafeHost(p, synthetic.Real); problem != "" {
			p.Report(Finding{At: at, Got: string(h), Problem: fmt.Sprintf("has the real host %s, which %s", quote(string(synthetic.Real)), problem), Remedy: "name a host outside of the cluster"})
		}
		if real != "" && real != synthetic.Real {
			p.Report(Finding{At: at, Got: string(h), Problem: "has another real host than the first one", Remedy: "declare it in a ServiceEntry of its own"})
			continue
		}
		real = synthetic.Real
	}
	if real == "" {
		return
	}
	checkEndpoints(p, se, real)
	checkResolution(p, se)
}

func checkEndpoints(p *Pass, se *ServiceEntry, real Host) {
	remedy := fmt.Sprintf("write %q", real)
	if se.Spec.WorkloadSelector != nil {
		p.Report(Finding{At: At("spec", "workloadSelector"), Problem: "makes Pods of the namespace the endpoints of a synthetic host", Remedy: "remove it, and write the endpoint " + quote(string(real))})
		return
	}
	at := At("spec", "endpoints")
	if len(se.Spec.Endpoints) == 0 {
		p.Report(Finding{
			At:      at,
			Problem: "is missing, so that the synthetic host itself would be looked up, which has no address",
			Remedy:  fmt.Sprintf("write the endpoint with the address %q", real),
			Fix:     []Edit{{At: at, Value: []any{map[string]any{"address": string(real)}}}},
		})
	}
	for i, endpoint := range se.Spec.Endpoints {
		if endpoint.Address == string(real) {
			continue
		}
		f := Finding{At: at.Index(i).Key("address"), Got: endpoint.Address, Problem: "is not the real host that the synthetic host names", Remedy: remedy}
		if endpoint.Address == "" {
			f.Problem = "is missing"
			f.Fix = []Edit{{At: f.At, Value: string(real)}}
		}
		p.Report(f)
	}
}

func checkResolution(p *Pass, se *ServiceEntry) {
	if !se.External() {
		p.Report(Finding{At: At("spec", "location"), Got: se.Spec.Location, Problem: "takes the external server for a workload of the mesh", Remedy: `write "MESH_EXTERNAL"`})
	}
	at := At("spec", "resolution")
	switch resolution := se.Spec.Resolution; resolution {
	case "DNS", "DNS_ROUND_ROBIN":
	case "":
		p.Report(Finding{At: at, Problem: "is missing, which means NONE: the request would choose its own destination", Remedy: `write "DNS"`, Fix: []Edit{{At: at, Value: "DNS"}}})
	default:
		p.Report(Finding{At: at, Got: resolution, Problem: "does not look up the real host", Remedy: `write "DNS"`})
	}
}

// metadataHosts are names and addresses, link-local ones left out, of the cloud
// providers' metadata services, which hand out credentials of the node (Google
// Cloud, "About VM metadata"; Amazon EC2, "instance-data" names; Tencent Cloud;
// Azure, "What is IP address 168.63.129.16"; Alibaba Cloud ECS; Oracle Cloud).
var metadataHosts = []Host{
	"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal", "metadata.tencentyun.com",
	"168.63.129.16", "100.100.100.200", "192.0.0.192",
}

// unsafeHost says why an endpoint, which the waypoint resolves inside its own
// Pod, would reach what no tenant could reach itself. "" means that it does not.
func unsafeHost(p *Pass, h Host) string {
	switch {
	case slices.Contains(metadataHosts, h):
		return "is the metadata service of the node"
	case numeric(h.lastLabel()):
		return unsafeAddress(h)
	case h == "localhost" || h.Under("localhost"):
		return "is the waypoint's own Pod"
	case clusterName(p, h):
		return "is, or is looked up as, the name of a Service of the cluster"
	}
	return ""
}

func unsafeAddress(h Host) string {
	// Resolvers read "127.1" and "0x7f000001" as addresses, too (inet_aton).
	addr, err := netip.ParseAddr(string(h))
	switch {
	case err != nil:
		return "is neither a host name nor an IP address"
	case addr.IsLoopback() || addr.IsUnspecified():
		return "is the waypoint's own Pod"
	case addr.IsLinkLocalUnicast():
		return "is a link-local address, such as the metadata service of the node"
	case addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is not the address of one host"
	}
	return ""
}

// clusterName tells whether the waypoint may resolve the name to a Service or
// Pod. Its Pod has a search list, <namespace>.svc.cluster.local and so on, so
// that "vault" and "vault.team-b" are such names, too, and istiod leaves the
// list switched on (istio.io/istio pilot/pkg/networking/core/cluster_builder.go,
// buildCluster: CaresDnsResolverConfig). A namespace may be called like a
// top-level domain, so a host that the platform shares is taken for a real one.
func clusterName(p *Pass, h Host) bool {
	last := h.lastLabel()
	if h.Under(p.Config.ClusterDomain) || last == "svc" || last == "pod" {
		return true
	}
	completed := last == string(h) || namespaceIn(p.World, last) != nil
	return completed && !slices.ContainsFunc(serviceEntriesOf(p.World, h), func(se *ServiceEntry) bool { return shared(p.Config, se) })
}

// numeric tells whether a resolver may read a name that ends in this label as
// an address (WHATWG URL standard, "ends in a number checker").
func numeric(label string) bool {
	if rest, hex := strings.CutPrefix(label, "0x"); hex {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
