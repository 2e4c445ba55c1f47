package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Kind names a kind of object that sallyport reads. The group is part of the
// meaning: Gateway is the Gateway API's, never Istio's.
type Kind string

const (
	ServiceEntryKind    Kind = "ServiceEntry"
	DestinationRuleKind Kind = "DestinationRule"
	HTTPRouteKind       Kind = "HTTPRoute"
	GatewayKind         Kind = "Gateway"
	NamespaceKind       Kind = "Namespace"
)

// KindInfo says where the API server serves a kind.
type KindInfo struct {
	Kind     Kind
	Group    string
	Resource string
	// Versions are those served with the schema that our types read, the
	// preferred one first.
	Versions []string
	// ClusterScoped is true for kinds outside of any namespace.
	ClusterScoped bool
}

// Kinds lists every kind that sallyport reads, sorted by name.
func Kinds() []KindInfo {
	istio := []string{"v1", "v1beta1", "v1alpha3"}
	gateway := []string{"v1", "v1beta1"}
	return []KindInfo{
		{Kind: DestinationRuleKind, Group: "networking.istio.io", Resource: "destinationrules", Versions: istio},
		{Kind: GatewayKind, Group: "gateway.networking.k8s.io", Resource: "gateways", Versions: gateway},
		{Kind: HTTPRouteKind, Group: "gateway.networking.k8s.io", Resource: "httproutes", Versions: gateway},
		{Kind: NamespaceKind, Group: "", Resource: "namespaces", Versions: []string{"v1"}, ClusterScoped: true},
		{Kind: ServiceEntryKind, Group: "networking.istio.io", Resource: "serviceentries", Versions: istio},
	}
}

// KindOf returns the kind that an object's apiVersion and kind name. ok is
// false for a kind that sallyport does not read. err is set for one that it
// reads in other versions only: its schema may differ from ours, so it cannot
// be judged.
func KindOf(apiVersion, kind string) (k Kind, ok bool, err error) {
	group, version, found := strings.Cut(apiVersion, "/")
	if !found {
		group, version = "", apiVersion
	}
	for _, info := range Kinds() {
		if info.Group != group || string(info.Kind) != kind {
			continue
		}
		if !slices.Contains(info.Versions, version) {
			return "", true, fmt.Errorf("%s of apiVersion %q cannot be judged; write it as %s", kind, apiVersion, strings.TrimPrefix(group+"/"+info.Versions[0], "/"))
		}
		return info.Kind, true, nil
	}
	return "", false, nil
}
