package policy

// World is what the cluster holds besides the object under review. It is
// complete: what it does not return does not exist. It answers at once and
// cannot fail; a driver that cannot give such a World must not ask for a
// judgement. Lists are sorted by namespace and name and are not to be changed.
type World interface {
	// Namespace, Gateway and ServiceEntry return nil for what does not exist.
	Namespace(name string) *Namespace
	Gateway(namespace, name string) *Gateway
	ServiceEntry(namespace, name string) *ServiceEntry
	// ServiceEntriesOf and DestinationRulesOf return the objects that name
	// exactly this host, wildcards not resolved.
	ServiceEntriesOf(h Host) []*ServiceEntry
	DestinationRulesOf(h Host) []*DestinationRule
}
