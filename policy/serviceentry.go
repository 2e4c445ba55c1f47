package policy

import "iter"

// ServiceEntry is what the rules read of a networking.istio.io ServiceEntry.
type ServiceEntry struct {
	Meta `json:"metadata"`
	Spec ServiceEntrySpec `json:"spec"`
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
	Address string `json:"address"`
}

type WorkloadSelector struct {
	Labels map[string]string `json:"labels"`
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
