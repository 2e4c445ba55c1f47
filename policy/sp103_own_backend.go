package policy

import (
	"fmt"
	"slices"
)

func ownBackend() *Rule {
	return &Rule{
		ID:       "SP103",
		Name:     "own-backend",
		Title:    "Only the namespace that a synthetic host names sends traffic to it.",
		Severity: Deny,
		Reads:    []Kind{VirtualServiceKind},
		Check: Checks{
			GRPCRoute:      checkOwnBackend,
			HTTPRoute:      checkOwnBackend,
			Service:        checkOwnAlias,
			ServiceEntry:   checkOwnEndpoint,
			TCPRoute:       checkOwnBackend,
			TLSRoute:       checkOwnBackend,
			UDPRoute:       checkOwnBackend,
			VirtualService: checkOwnDestination,
			WorkloadEntry:  checkOwnWorkload,
		},
	}
}

func checkOwnBackend(p *Pass, r *Route) {
	for at, backend := range r.backends() {
		checkOwnTarget(p, r.Namespace, at.Key("name"), backend.Name)
	}
}

func checkOwnEndpoint(p *Pass, se *ServiceEntry) {
	for i, endpoint := range se.Spec.Endpoints {
		checkOwnTarget(p, se.Namespace, At("spec", "endpoints").Index(i).Key("address"), endpoint.Address)
	}
}

func checkOwnWorkload(p *Pass, w *WorkloadEntry) {
	checkOwnTarget(p, w.Namespace, At("spec", "address"), w.Spec.Address)
}

// checkOwnAlias judges a Service that stands for another host. istiod reads the
// name in no other type of Service (istio.io/istio
// pilot/pkg/serviceregistry/kube/conversion.go, ConvertService).
func checkOwnAlias(p *Pass, s *Service) {
	if s.Spec.Type == "ExternalName" {
		checkOwnTarget(p, s.Namespace, At("spec", "externalName"), s.Spec.ExternalName)
	}
}

func checkOwnDestination(p *Pass, vs *VirtualService) {
	if p.Config.EgressNamespace(vs.Namespace) {
		return
	}
	for at, destination := range vs.destinations() {
		checkOwnTarget(p, vs.Namespace, at.Key("host"), destination.Host)
	}
	for at, to := range vs.delegates(p.World) {
		checkOwnDelegate(p, vs, at, to)
	}
	checkNotLent(p, vs)
}

// checkOwnDelegate judges a rule that leaves its requests to the VirtualService
// of another namespace. istiod asks nothing but whether that one is exported
// (istio.io/istio pilot/pkg/model/virtualservice_controller.go,
// mergeVirtualServices).
func checkOwnDelegate(p *Pass, vs *VirtualService, at Path, to *VirtualService) {
	foreign := func(h Host) bool { return p.Config.Synthetic(h) && !ofNamespace(p.Config, h, vs.Namespace) }
	if to.Namespace == vs.Namespace || !to.sendsTo(foreign) {
		return
	}
	p.Report(Finding{
		At: at, Got: to.Name,
		Problem: "sends requests to a synthetic host of another namespace",
		Remedy:  fmt.Sprintf("delegate to a VirtualService of %s", vs.Namespace),
		Others:  []Ref{RefOf(to)},
	})
}

// checkNotLent judges the other end: a VirtualService without hosts is one that
// others delegate to, and every namespace may, unless exportTo says otherwise.
func checkNotLent(p *Pass, vs *VirtualService) {
	if len(vs.Spec.Hosts) > 0 || !vs.sendsTo(p.Config.Synthetic) {
		return
	}
	f := Finding{
		Problem: "lends the synthetic host to every namespace that delegates requests to this VirtualService",
		Remedy:  `write exportTo: ["."]`,
	}
	if len(vs.Spec.ExportTo) == 0 {
		f.At, f.Problem = At("spec", "exportTo"), "is missing and "+f.Problem
		p.Report(f)
	}
	for i, to := range vs.Spec.ExportTo {
		if !slices.Contains([]string{".", "~", vs.Namespace}, to) && !p.Config.EgressNamespace(to) {
			f.At, f.Got = At("spec", "exportTo").Index(i), to
			p.Report(f)
		}
	}
}

// checkOwnTarget compares a name that traffic is sent to with the one that is
// built from the own namespace, so that no spelling passes for another.
func checkOwnTarget(p *Pass, namespace string, at Path, name string) {
	host := ParseHost(name)
	if !p.Config.Synthetic(host) || p.Config.EgressNamespace(namespace) {
		return
	}
	synthetic, err := ParseSynthetic(host, p.Config.SyntheticSuffix)
	if err != nil {
		p.Report(Finding{
			At: at, Got: name,
			Problem: err.Error() + ", so it is no synthetic host",
			Remedy:  fmt.Sprintf("write \"<app>.%s.<real host>.%s\"", namespace, p.Config.SyntheticSuffix),
		})
		return
	}
	own := synthetic
	own.Namespace = namespace
	want := string(own.Host(p.Config.SyntheticSuffix))
	switch {
	case synthetic != own:
		p.Report(Finding{
			At: at, Got: name,
			Problem: "is the synthetic host of another namespace",
			Remedy:  fmt.Sprintf("send to one of %s, e.g. %q", namespace, want),
		})
	case name != want:
		p.Report(Finding{At: at, Got: name, Problem: notCanonical, Remedy: fmt.Sprintf("write %q", want)})
	}
}
