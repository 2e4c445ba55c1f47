package policy

// Namespace is what the rules read of a Namespace: its labels, which bind the
// services inside it to a waypoint.
type Namespace struct {
	Meta `json:"metadata"`
}

// Kind is NamespaceKind.
func (*Namespace) Kind() Kind { return NamespaceKind }
