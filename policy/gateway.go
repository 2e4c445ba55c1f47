package policy

// Gateway is what the rules read of a gateway.networking.k8s.io Gateway: that
// it exists. A waypoint is a Gateway.
type Gateway struct {
	Meta `json:"metadata"`
}

// Kind is GatewayKind.
func (*Gateway) Kind() Kind { return GatewayKind }
