package policy

import (
	"iter"
	"net/netip"
)

// ServiceEntry is what the rules read of a networking.istio.io ServiceEntry.
type ServiceEntry struct {
	Meta   `json:"metadata"`
	Spec   ServiceEntrySpec   `json:"spec"`
	Status ServiceEntryStatus `json:"status"`
}

// Kind is ServiceEntryKind.
func (*ServiceEntry) Kind() Kind { return ServiceEntryKind }

type ServiceEntrySpec struct {
	Hosts            []string          `json:"hosts"`
	Addresses        []string          `json:"addresses"`
	Ports            []ServicePort     `json:"ports"`
	Location         string            `json:"location"`
	Resolution       string            `json:"resolution"`
	Endpoints        []Endpoint        `json:"endpoints"`
	WorkloadSelector *WorkloadSelector `json:"workloadSelector"`
}

type ServicePort struct {
	Number     uint32 `json:"number"`
	Name       string `json:"name"`
	Protocol   string `json:"protocol"`
	TargetPort uint32 `json:"targetPort"`
}

type Endpoint struct {
	Address string            `json:"address"`
	Labels  map[string]string `json:"labels"`
	Ports   map[string]uint32 `json:"ports"`
}

type WorkloadSelector struct {
	Labels map[string]string `json:"labels"`
}

// ServiceEntryStatus holds the addresses that istiod allocated.
type ServiceEntryStatus struct {
	Addresses []AllocatedAddress `json:"addresses"`
}

type AllocatedAddress struct {
	Value string `json:"value"`
}

// External tells whether the service lies outside of the mesh. That is the
// default (istio.io/api networking/v1alpha3 ServiceEntry_Location).
func (se *ServiceEntry) External() bool {
	return se.Spec.Location != "MESH_INTERNAL"
}

// hosts yields the canonical hosts with their index.
func (se *ServiceEntry) hosts() iter.Seq2[int, Host] {
	return func(yield func(int, Host) bool) {
		for i, h := range se.Spec.Hosts {
			if !yield(i, ParseHost(h)) {
				return
			}
		}
	}
}

// claim is a field that lays claim to addresses.
type claim struct {
	at        Path
	text      string
	addresses netip.Prefix
}

// claims returns the addresses that the ServiceEntry lays claim to, as virtual
// addresses or as endpoints. An address among the hosts becomes an endpoint,
// too (istio.io/istio pilot/pkg/serviceregistry/ambient/workloads.go,
// serviceEntryWorkloadBuilder).
func (se *ServiceEntry) claims() []claim {
	var claims []claim
	add := func(at Path, text string) {
		if addresses, ok := parseAddresses(text); ok {
			claims = append(claims, claim{at, text, addresses})
		}
	}
	for i, text := range se.Spec.Addresses {
		add(At("spec", "addresses").Index(i), text)
	}
	for i, endpoint := range se.Spec.Endpoints {
		add(At("spec", "endpoints").Index(i).Key("address"), endpoint.Address)
	}
	for i, text := range se.Spec.Hosts {
		add(At("spec", "hosts").Index(i), text)
	}
	return claims
}

// virtualAddresses returns the addresses by which traffic to the hosts is
// known: those of its own and those that istiod allocated.
func (se *ServiceEntry) virtualAddresses() []netip.Prefix {
	var virtual []netip.Prefix
	for _, text := range se.Spec.Addresses {
		if addresses, ok := parseAddresses(text); ok {
			virtual = append(virtual, addresses)
		}
	}
	for _, allocated := range se.Status.Addresses {
		if addresses, ok := parseAddresses(allocated.Value); ok {
			virtual = append(virtual, addresses)
		}
	}
	return virtual
}
