package policy

// Service is what the rules read of a Service.
type Service struct {
	Meta `json:"metadata"`
	Spec ServiceSpec `json:"spec"`
}

// Kind is ServiceKind.
func (*Service) Kind() Kind { return ServiceKind }

type ServiceSpec struct {
	Type         string `json:"type"`
	ExternalName string `json:"externalName"`
}

// WorkloadEntry is what the rules read of a networking.istio.io WorkloadEntry.
type WorkloadEntry struct {
	Meta `json:"metadata"`
	Spec WorkloadEntrySpec `json:"spec"`
}

// Kind is WorkloadEntryKind.
func (*WorkloadEntry) Kind() Kind { return WorkloadEntryKind }

type WorkloadEntrySpec struct {
	Address string            `json:"address"`
	Labels  map[string]string `json:"labels"`
}
