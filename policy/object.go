package policy

import (
	"errors"
	"fmt"
	"strings"

	kjson "sigs.k8s.io/json"
)

// Object is one of the types of this package that have a Kind, such as
// [ServiceEntry] and [Route]. Objects are not changed after they were decoded.
type Object interface {
	Kind() Kind
	Metadata() *Meta
}

// Meta is what all objects have in common.
type Meta struct {
	Namespace    string            `json:"namespace"`
	Name         string            `json:"name"`
	GenerateName string            `json:"generateName"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	// DeletionTimestamp is set once the object is being deleted.
	DeletionTimestamp string `json:"deletionTimestamp"`

	// raw is the JSON that edits apply to.
	raw []byte
}

// Metadata returns the object's metadata.
func (m *Meta) Metadata() *Meta { return m }

// Raw is the JSON that the object was decoded from.
func (m *Meta) Raw() []byte { return m.raw }

// Ref names an object.
type Ref struct {
	Kind      Kind
	Namespace string
	Name      string
}

// RefOf names the object. One that the API server has yet to name is called by
// its prefix.
func RefOf(o Object) Ref {
	m := o.Metadata()
	name := m.Name
	if name == "" {
		name = m.GenerateName
	}
	return Ref{Kind: o.Kind(), Namespace: m.Namespace, Name: name}
}

func (r Ref) String() string {
	if r.Namespace == "" {
		return string(r.Kind) + " " + r.Name
	}
	return string(r.Kind) + " " + r.Namespace + "/" + r.Name
}

// Decode reads the JSON of an object as the API server would: member names are
// case-sensitive. It refuses what two readers could read in two ways, such as
// a member that occurs twice. The data is kept by the object.
func Decode(kind Kind, data []byte) (Object, error) {
	object := newObject(kind)
	if object == nil {
		return nil, fmt.Errorf("kind %q is not one that sallyport reads", kind)
	}
	strict, err := kjson.UnmarshalStrict(data, object, kjson.DisallowDuplicateFields)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", kind, plain(err))
	}
	if len(strict) > 0 {
		return nil, fmt.Errorf("%s cannot be read: %w", kind, errors.Join(strict...))
	}
	if route, ok := object.(*Route); ok {
		route.applyDefaults()
	}
	object.Metadata().raw = data
	return object, nil
}

// plain takes the decoder's Go type names out of its message.
func plain(err error) error {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if before, after, found := strings.Cut(text, "Go struct field "); found {
		_, field, _ := strings.Cut(after, ".")
		text = before + "field " + field
	}
	return errors.New(text)
}

// DecodeForWorld is Decode for an object that only a World will hold: it does
// not keep the data.
func DecodeForWorld(kind Kind, data []byte) (Object, error) {
	object, err := Decode(kind, data)
	if err != nil {
		return nil, err
	}
	object.Metadata().raw = nil
	return object, nil
}

func newObject(kind Kind) Object {
	switch kind {
	case AuthorizationPolicyKind:
		return &AuthorizationPolicy{}
	case DestinationRuleKind:
		return &DestinationRule{}
	case EnvoyFilterKind:
		return &EnvoyFilter{}
	case GatewayKind:
		return &Gateway{}
	case GRPCRouteKind, HTTPRouteKind, TCPRouteKind, TLSRouteKind, UDPRouteKind:
		return &Route{kind: kind}
	case NamespaceKind:
		return &Namespace{}
	case RequestAuthenticationKind:
		return &RequestAuthentication{}
	case ServiceKind:
		return &Service{}
	case ServiceEntryKind:
		return &ServiceEntry{}
	case TrafficExtensionKind:
		return &TrafficExtension{}
	case VirtualServiceKind:
		return &VirtualService{}
	case WasmPluginKind:
		return &WasmPlugin{}
	case WorkloadEntryKind:
		return &WorkloadEntry{}
	}
	return nil
}
