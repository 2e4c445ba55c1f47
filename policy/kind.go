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
	AuthorizationPolicyKind   Kind = "AuthorizationPolicy"
	DestinationRuleKind       Kind = "DestinationRule"
	EnvoyFilterKind           Kind = "EnvoyFilter"
	GRPCRouteKind             Kind = "GRPCRoute"
	GatewayKind               Kind = "Gateway"
	HTTPRouteKind             Kind = "HTTPRoute"
	NamespaceKind             Kind = "Namespace"
	RequestAuthenticationKind Kind = "RequestAuthentication"
	ServiceKind               Kind = "Service"
	ServiceEntryKind          Kind = "ServiceEntry"
	TCPRouteKind              Kind = "TCPRoute"
	TLSRouteKind              Kind = "TLSRoute"
	TrafficExtensionKind      Kind = "TrafficExtension"
	UDPRouteKind              Kind = "UDPRoute"
	VirtualServiceKind        Kind = "VirtualService"
	WasmPluginKind            Kind = "WasmPlugin"
	WorkloadEntryKind         Kind = "WorkloadEntry"
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

const (
	extensionsGroup      = "extensions.istio.io"
	gatewayGroup         = "gateway.networking.k8s.io"
	istioNetworkingGroup = "networking.istio.io"
	securityGroup        = "security.istio.io"
)

// kinds is not changed.
var kinds = []KindInfo{
	{Kind: AuthorizationPolicyKind, Group: securityGroup, Resource: "authorizationpolicies", Versions: []string{"v1", "v1beta1"}},
	{Kind: DestinationRuleKind, Group: istioNetworkingGroup, Resource: "destinationrules", Versions: []string{"v1", "v1beta1", "v1alpha3"}},
	{Kind: EnvoyFilterKind, Group: istioNetworkingGroup, Resource: "envoyfilters", Versions: []string{"v1alpha3"}},
	{Kind: GRPCRouteKind, Group: gatewayGroup, Resource: "grpcroutes", Versions: []string{"v1"}},
	{Kind: GatewayKind, Group: gatewayGroup, Resource: "gateways", Versions: []string{"v1", "v1beta1"}},
	{Kind: HTTPRouteKind, Group: gatewayGroup, Resource: "httproutes", Versions: []string{"v1", "v1beta1"}},
	{Kind: NamespaceKind, Group: "", Resource: "namespaces", Versions: []string{"v1"}, ClusterScoped: true},
	{Kind: RequestAuthenticationKind, Group: securityGroup, Resource: "requestauthentications", Versions: []string{"v1", "v1beta1"}},
	{Kind: ServiceKind, Group: "", Resource: "services", Versions: []string{"v1"}},
	{Kind: ServiceEntryKind, Group: istioNetworkingGroup, Resource: "serviceentries", Versions: []string{"v1", "v1beta1", "v1alpha3"}},
	{Kind: TCPRouteKind, Group: gatewayGroup, Resource: "tcproutes", Versions: []string{"v1", "v1alpha2"}},
	{Kind: TLSRouteKind, Group: gatewayGroup, Resource: "tlsroutes", Versions: []string{"v1", "v1alpha3", "v1alpha2"}},
	{Kind: TrafficExtensionKind, Group: extensionsGroup, Resource: "trafficextensions", Versions: []string{"v1alpha1"}},
	{Kind: UDPRouteKind, Group: gatewayGroup, Resource: "udproutes", Versions: []string{"v1", "v1alpha2"}},
	{Kind: VirtualServiceKind, Group: istioNetworkingGroup, Resource: "virtualservices", Versions: []string{"v1", "v1beta1", "v1alpha3"}},
	{Kind: WasmPluginKind, Group: extensionsGroup, Resource: "wasmplugins", Versions: []string{"v1alpha1"}},
	{Kind: WorkloadEntryKind, Group: istioNetworkingGroup, Resource: "workloadentries", Versions: []string{"v1", "v1beta1", "v1alpha3"}},
}

// Kinds lists every kind that sallyport reads, sorted by name.
func Kinds() []KindInfo { return slices.Clone(kinds) }

// kindIn returns what is known of a kind by its group and name.
func kindIn(group, kind string) (info KindInfo, ok bool) {
	for _, info := range kinds {
		if info.Group == group && string(info.Kind) == kind {
			return info, true
		}
	}
	return KindInfo{}, false
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
	info, ok := kindIn(group, kind)
	if !ok {
		return "", false, nil
	}
	if !slices.Contains(info.Versions, version) {
		return "", true, fmt.Errorf("%s of apiVersion %q cannot be judged; write it as %s", kind, apiVersion, strings.TrimPrefix(group+"/"+info.Versions[0], "/"))
	}
	return info.Kind, true, nil
}
