package policy

// Gateway is what the rules read of a gateway.networking.k8s.io Gateway. A
// waypoint is a Gateway.
type Gateway struct {
	Meta `json:"metadata"`
	Spec GatewaySpec `json:"spec"`
}

// Kind is GatewayKind.
func (*Gateway) Kind() Kind { return GatewayKind }

type GatewaySpec struct {
	Infrastructure *GatewayInfrastructure `json:"infrastructure"`
}

// GatewayInfrastructure is what the proxy's Pods inherit.
type GatewayInfrastructure struct {
	Annotations map[string]string `json:"annotations"`
}
