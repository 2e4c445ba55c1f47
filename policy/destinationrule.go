package policy

import "iter"

// DestinationRule is what the rules read of a networking.istio.io
// DestinationRule.
type DestinationRule struct {
	Meta `json:"metadata"`
	Spec DestinationRuleSpec `json:"spec"`
}

// Kind is DestinationRuleKind.
func (*DestinationRule) Kind() Kind { return DestinationRuleKind }

type DestinationRuleSpec struct {
	Host          string         `json:"host"`
	TrafficPolicy *TrafficPolicy `json:"trafficPolicy"`
	Subsets       []Subset       `json:"subsets"`
	ExportTo      []string       `json:"exportTo"`

	WorkloadSelector *WorkloadSelectors `json:"workloadSelector"`
}

type Subset struct {
	Name          string         `json:"name"`
	TrafficPolicy *TrafficPolicy `json:"trafficPolicy"`
}

type TrafficPolicy struct {
	TLS               *ClientTLS          `json:"tls"`
	PortLevelSettings []PortTrafficPolicy `json:"portLevelSettings"`
	LoadBalancer      *LoadBalancer       `json:"loadBalancer"`
	ProxyProtocol     *ProxyProtocol      `json:"proxyProtocol"`
	Tunnel            *Tunnel             `json:"tunnel"`
}

type PortTrafficPolicy struct {
	Port         *PortSelector `json:"port"`
	TLS          *ClientTLS    `json:"tls"`
	LoadBalancer *LoadBalancer `json:"loadBalancer"`
}

type LoadBalancer struct {
	Simple string `json:"simple"`
}

type ProxyProtocol struct {
	Version string `json:"version"`
}

type Tunnel struct {
	TargetHost string `json:"targetHost"`
}

type PortSelector struct {
	Number uint32 `json:"number"`
}

// ClientTLS is Istio's ClientTLSSettings.
type ClientTLS struct {
	Mode               string   `json:"mode"`
	ClientCertificate  string   `json:"clientCertificate"`
	PrivateKey         string   `json:"privateKey"`
	CACertificates     string   `json:"caCertificates"`
	CACRL              string   `json:"caCrl"`
	CredentialName     string   `json:"credentialName"`
	SubjectAltNames    []string `json:"subjectAltNames"`
	SNI                string   `json:"sni"`
	InsecureSkipVerify bool     `json:"insecureSkipVerify"`
}

// mutual is the mode that presents the client certificate of credentialName.
const mutual = "MUTUAL"

// trafficPolicies yields the policy of the host and of each subset.
func (dr *DestinationRule) trafficPolicies() iter.Seq2[Path, *TrafficPolicy] {
	return func(yield func(Path, *TrafficPolicy) bool) {
		if policy := dr.Spec.TrafficPolicy; policy != nil && !yield(At("spec", "trafficPolicy"), policy) {
			return
		}
		for i, subset := range dr.Spec.Subsets {
			if policy := subset.TrafficPolicy; policy != nil && !yield(At("spec", "subsets").Index(i).Key("trafficPolicy"), policy) {
				return
			}
		}
	}
}

// tlsSettings yields the TLS settings in all four places where a
// DestinationRule can have them.
func (dr *DestinationRule) tlsSettings() iter.Seq2[Path, *ClientTLS] {
	return func(yield func(Path, *ClientTLS) bool) {
		for at, policy := range dr.trafficPolicies() {
			if policy.TLS != nil && !yield(at.Key("tls"), policy.TLS) {
				return
			}
			for i, port := range policy.PortLevelSettings {
				if port.TLS != nil && !yield(at.Key("portLevelSettings").Index(i).Key("tls"), port.TLS) {
					return
				}
			}
		}
	}
}

// loadBalancers yields the settings of load balancers in all four places, too.
func (dr *DestinationRule) loadBalancers() iter.Seq2[Path, *LoadBalancer] {
	return func(yield func(Path, *LoadBalancer) bool) {
		for at, policy := range dr.trafficPolicies() {
			if policy.LoadBalancer != nil && !yield(at.Key("loadBalancer"), policy.LoadBalancer) {
				return
			}
			for i, port := range policy.PortLevelSettings {
				if port.LoadBalancer != nil && !yield(at.Key("portLevelSettings").Index(i).Key("loadBalancer"), port.LoadBalancer) {
					return
				}
			}
		}
	}
}

// portPolicy returns the entry for the port, nil if there is none. The first
// one wins (istio.io/istio pilot/pkg/networking/util, GetPortLevelTrafficPolicy).
func (p *TrafficPolicy) portPolicy(port uint32) *PortTrafficPolicy {
	if p == nil {
		return nil
	}
	for i := range p.PortLevelSettings {
		if entry := &p.PortLevelSettings[i]; entry.Port != nil && entry.Port.Number == port {
			return entry
		}
	}
	return nil
}
