package policy

// Rule is one law of the egress path. Its page, policy/doc/<ID>.txtar, is its
// documentation and its test.
type Rule struct {
	// ID is SP and three digits, the first of which names the threat:
	// 0 binding, 1 borrowed identity, 2 captured traffic, 3 leaked identity,
	// 4 bypass or downgrade, 5 squatting. An id is never used again.
	ID string
	// Name names the law, not the crime.
	Name string
	// Title states the law in one sentence.
	Title string
	// Severity is that of the findings, unless one says otherwise.
	Severity Severity
	// Reads are the kinds that the rule may ask the World for.
	Reads []Kind
	// Fixes are the kinds in which the rule can repair something.
	Fixes []Kind
	// Check holds a function for each kind that the rule judges.
	Check Checks
	// Delete holds a function for each kind whose deletion it judges. The World
	// still holds the object then.
	Delete Checks
}

// Checks are the kinds that a rule judges: those that are not nil.
type Checks struct {
	AuthorizationPolicy   func(*Pass, *AuthorizationPolicy)
	DestinationRule       func(*Pass, *DestinationRule)
	EnvoyFilter           func(*Pass, *EnvoyFilter)
	GRPCRoute             func(*Pass, *Route)
	Gateway               func(*Pass, *Gateway)
	HTTPRoute             func(*Pass, *Route)
	Namespace             func(*Pass, *Namespace)
	RequestAuthentication func(*Pass, *RequestAuthentication)
	Service               func(*Pass, *Service)
	ServiceEntry          func(*Pass, *ServiceEntry)
	TCPRoute              func(*Pass, *Route)
	TLSRoute              func(*Pass, *Route)
	TrafficExtension      func(*Pass, *TrafficExtension)
	UDPRoute              func(*Pass, *Route)
	VirtualService        func(*Pass, *VirtualService)
	WasmPlugin            func(*Pass, *WasmPlugin)
	WorkloadEntry         func(*Pass, *WorkloadEntry)
}

// Kinds returns the kinds that are judged, sorted.
func (c Checks) Kinds() []Kind {
	var judged []Kind
	for _, info := range kinds {
		if c.judges(info.Kind) {
			judged = append(judged, info.Kind)
		}
	}
	return judged
}

func (c Checks) judges(kind Kind) bool {
	switch kind {
	case AuthorizationPolicyKind:
		return c.AuthorizationPolicy != nil
	case DestinationRuleKind:
		return c.DestinationRule != nil
	case EnvoyFilterKind:
		return c.EnvoyFilter != nil
	case GRPCRouteKind:
		return c.GRPCRoute != nil
	case GatewayKind:
		return c.Gateway != nil
	case HTTPRouteKind:
		return c.HTTPRoute != nil
	case NamespaceKind:
		return c.Namespace != nil
	case RequestAuthenticationKind:
		return c.RequestAuthentication != nil
	case ServiceKind:
		return c.Service != nil
	case ServiceEntryKind:
		return c.ServiceEntry != nil
	case TCPRouteKind:
		return c.TCPRoute != nil
	case TLSRouteKind:
		return c.TLSRoute != nil
	case TrafficExtensionKind:
		return c.TrafficExtension != nil
	case UDPRouteKind:
		return c.UDPRoute != nil
	case VirtualServiceKind:
		return c.VirtualService != nil
	case WasmPluginKind:
		return c.WasmPlugin != nil
	case WorkloadEntryKind:
		return c.WorkloadEntry != nil
	}
	return false
}

// run judges an object of a kind that is judged.
func (c Checks) run(p *Pass, o Object) {
	if !c.judges(o.Kind()) {
		return
	}
	switch o := o.(type) {
	case *AuthorizationPolicy:
		c.AuthorizationPolicy(p, o)
	case *DestinationRule:
		c.DestinationRule(p, o)
	case *EnvoyFilter:
		c.EnvoyFilter(p, o)
	case *Gateway:
		c.Gateway(p, o)
	case *Namespace:
		c.Namespace(p, o)
	case *RequestAuthentication:
		c.RequestAuthentication(p, o)
	case *Service:
		c.Service(p, o)
	case *ServiceEntry:
		c.ServiceEntry(p, o)
	case *TrafficExtension:
		c.TrafficExtension(p, o)
	case *VirtualService:
		c.VirtualService(p, o)
	case *WasmPlugin:
		c.WasmPlugin(p, o)
	case *WorkloadEntry:
		c.WorkloadEntry(p, o)
	case *Route:
		c.route(o.kind)(p, o)
	}
}

func (c Checks) route(kind Kind) func(*Pass, *Route) {
	switch kind {
	case GRPCRouteKind:
		return c.GRPCRoute
	case TCPRouteKind:
		return c.TCPRoute
	case TLSRouteKind:
		return c.TLSRoute
	case UDPRouteKind:
		return c.UDPRoute
	}
	return c.HTTPRoute
}

// Pass is all that a rule knows while it judges one object. There is no user,
// no clock, no earlier object and no dry-run flag in it: the same object in
// the same World gets the same answer.
type Pass struct {
	Config *Config
	World  World

	rule     *Rule
	object   Object
	findings []Finding
}

// Report adds a finding. The pass fills in the rule, the object and, unless
// it is set, the severity.
func (p *Pass) Report(f Finding) {
	f.Rule = p.rule
	f.Object = RefOf(p.object)
	if f.Severity == "" {
		f.Severity = p.rule.Severity
	}
	p.findings = append(p.findings, f)
}

// self tells whether the object of the World is the one under review. One that
// the API server has yet to name is none of them.
func (p *Pass) self(o Object) bool {
	return p.object.Metadata().Name != "" && RefOf(o) == RefOf(p.object)
}
