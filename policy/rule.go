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
	// Check holds a function for each kind that the rule judges.
	Check Checks
}

// Checks are the kinds that a rule judges: those that are not nil.
type Checks struct {
	ServiceEntry    func(*Pass, *ServiceEntry)
	DestinationRule func(*Pass, *DestinationRule)
	HTTPRoute       func(*Pass, *HTTPRoute)
}

// Kinds returns the kinds that are judged.
func (c Checks) Kinds() []Kind {
	var kinds []Kind
	if c.DestinationRule != nil {
		kinds = append(kinds, DestinationRuleKind)
	}
	if c.HTTPRoute != nil {
		kinds = append(kinds, HTTPRouteKind)
	}
	if c.ServiceEntry != nil {
		kinds = append(kinds, ServiceEntryKind)
	}
	return kinds
}

func (c Checks) run(p *Pass, o Object) {
	switch o := o.(type) {
	case *ServiceEntry:
		if c.ServiceEntry != nil {
			c.ServiceEntry(p, o)
		}
	case *DestinationRule:
		if c.DestinationRule != nil {
			c.DestinationRule(p, o)
		}
	case *HTTPRoute:
		if c.HTTPRoute != nil {
			c.HTTPRoute(p, o)
		}
	}
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

// self tells whether the object of the World is the one under review.
func (p *Pass) self(o Object) bool {
	return RefOf(o) == RefOf(p.object)
}
