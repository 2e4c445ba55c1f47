package policy

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Our types read a part of what Istio and the Gateway API define. These tests
// compare both, so that a misspelt field, or a new place for an old danger in
// a later version, is noticed.

// field is a JSON field by its path, with "[]" for list elements, and the type
// that it has where it is defined.
type field struct{ path, of string }

func protoFields(message protoreflect.MessageDescriptor, prefix string, depth int) []field {
	var fields []field
	if depth == 0 {
		return nil
	}
	for i := range message.Fields().Len() {
		f := message.Fields().Get(i)
		path := prefix + f.JSONName()
		if f.IsList() {
			path += "[]"
		}
		if f.Message() == nil || f.IsMap() {
			fields = append(fields, field{path, f.Kind().String()})
			continue
		}
		fields = append(fields, field{path, string(f.Message().Name())})
		fields = append(fields, protoFields(f.Message(), path+".", depth-1)...)
	}
	return fields
}

func goFields(t reflect.Type, prefix string, depth int) []field {
	var fields []field
	if t.Kind() != reflect.Struct || depth == 0 {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		of, path := f.Type, prefix+name
		if name == "" && f.Anonymous || strings.Contains(options, "inline") {
			fields = append(fields, goFields(of, prefix, depth)...)
			continue
		}
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			if of.Kind() == reflect.Slice {
				path += "[]"
			}
			of = of.Elem()
		}
		fields = append(fields, field{path, of.Name()})
		fields = append(fields, goFields(of, path+".", depth-1)...)
	}
	return fields
}

const depth = 8 // deeper than any field that we read; Istio's types recurse

func TestModelFollowsTheAPI(t *testing.T) {
	for _, tt := range []struct {
		name       string
		ours, real []field
	}{
		{"ServiceEntry", goFields(reflect.TypeFor[ServiceEntrySpec](), "", depth), protoFields((&networking.ServiceEntry{}).ProtoReflect().Descriptor(), "", depth)},
		{"ServiceEntryStatus", goFields(reflect.TypeFor[ServiceEntryStatus](), "", depth), protoFields((&networking.ServiceEntryStatus{}).ProtoReflect().Descriptor(), "", depth)},
		{"WorkloadEntry", goFields(reflect.TypeFor[WorkloadEntrySpec](), "", depth), protoFields((&networking.WorkloadEntry{}).ProtoReflect().Descriptor(), "", depth)},
		{"DestinationRule", goFields(reflect.TypeFor[DestinationRuleSpec](), "", depth), protoFields((&networking.DestinationRule{}).ProtoReflect().Descriptor(), "", depth)},
		{"EnvoyFilter", goFields(reflect.TypeFor[EnvoyFilterSpec](), "", depth), protoFields((&networking.EnvoyFilter{}).ProtoReflect().Descriptor(), "", depth)},
		{"Gateway", goFields(reflect.TypeFor[GatewaySpec](), "", depth), goFields(reflect.TypeFor[gatewayv1.GatewaySpec](), "", depth)},
		{"RequestAuthentication", goFields(reflect.TypeFor[RequestAuthenticationSpec](), "", depth), protoFields((&security.RequestAuthentication{}).ProtoReflect().Descriptor(), "", depth)},
		{"VirtualService", goFields(reflect.TypeFor[VirtualServiceSpec](), "", depth), protoFields((&networking.VirtualService{}).ProtoReflect().Descriptor(), "", depth)},
		{"HTTPRoute", goFields(reflect.TypeFor[RouteSpec](), "", depth), goFields(reflect.TypeFor[gatewayv1.HTTPRouteSpec](), "", depth)},
	} {
		known := map[string]bool{}
		for _, f := range tt.real {
			known[f.path] = true
		}
		for _, f := range tt.ours {
			if !known[f.path] {
				t.Errorf("%s: our field %s is not in the API", tt.name, f.path)
			}
		}
		if len(tt.ours) == 0 || len(tt.real) <= len(tt.ours) {
			t.Errorf("%s: compared %d fields of ours with %d of the API", tt.name, len(tt.ours), len(tt.real))
		}
	}
}

func pathsOfType(fields []field, types ...string) []string {
	var paths []string
	for _, f := range fields {
		if slices.Contains(types, f.of) {
			paths = append(paths, "spec."+f.path)
		}
	}
	slices.Sort(paths)
	return paths
}

// filled returns a value with every pointer set and one element in every list.
func filled(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(filled(t.Elem()))
	case reflect.Slice:
		v.Set(reflect.Append(v, filled(t.Elem())))
	case reflect.Struct:
		for i := range t.NumField() {
			if v.Field(i).CanSet() {
				v.Field(i).Set(filled(t.Field(i).Type))
			}
		}
	}
	return v
}

var indexes = regexp.MustCompile(`\[\d+\]`)

// visited normalises the paths that an iterator yields.
func visited[T any](seq func(func(Path, T) bool)) []string {
	var paths []string
	for at := range seq {
		paths = append(paths, indexes.ReplaceAllString(at.String(), "[]"))
	}
	slices.Sort(paths)
	return paths
}

// TestEveryPlaceIsVisited: the walks over the dangerous types reach every place
// where the API has them.
func TestEveryPlaceIsVisited(t *testing.T) {
	dr := filled(reflect.TypeFor[DestinationRule]()).Addr().Interface().(*DestinationRule)
	vs := filled(reflect.TypeFor[VirtualService]()).Addr().Interface().(*VirtualService)
	route := filled(reflect.TypeFor[Route]()).Addr().Interface().(*Route)
	routeFields := goFields(reflect.TypeFor[gatewayv1.HTTPRouteSpec](), "", depth)
	// What a route sends to is named by the name of a BackendObjectReference,
	// which is inlined in backendRefs.
	backends := pathsOfType(routeFields, "BackendObjectReference", "HTTPBackendRef")
	var headers []string
	for _, path := range pathsOfType(routeFields, "HTTPHeaderFilter") {
		headers = append(headers, path+".add[]", path+".set[]")
	}
	slices.Sort(headers)
	for _, tt := range []struct {
		name      string
		got, want []string
	}{
		{"TLS settings", visited(dr.tlsSettings()), pathsOfType(protoFields((&networking.DestinationRule{}).ProtoReflect().Descriptor(), "", depth), "ClientTLSSettings")},
		{"traffic policies", visited(dr.trafficPolicies()), pathsOfType(protoFields((&networking.DestinationRule{}).ProtoReflect().Descriptor(), "", depth), "TrafficPolicy")},
		{"load balancers", visited(dr.loadBalancers()), pathsOfType(protoFields((&networking.DestinationRule{}).ProtoReflect().Descriptor(), "", depth), "LoadBalancerSettings")},
		{"destinations", visited(vs.destinations()), pathsOfType(protoFields((&networking.VirtualService{}).ProtoReflect().Descriptor(), "", depth), "Destination")},
		{"filters", visited(route.filters()), pathsOfType(routeFields, "HTTPRouteFilter")},
		{"backends", visited(route.backends()), backends},
		{"headers", visited(route.headers()), headers},
	} {
		if len(tt.want) == 0 || !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: visited\n  %s\nwant\n  %s", tt.name, strings.Join(tt.got, "\n  "), strings.Join(tt.want, "\n  "))
		}
	}
}
