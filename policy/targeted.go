package policy

import "iter"

// The kinds here attach to what they name: code, filters and policies.

// TargetRef names what a policy attaches to (istio.io/api type/v1beta1
// PolicyTargetReference).
type TargetRef struct {
	Group     string `json:"group"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Targets are the ways to name them that these kinds share.
type Targets struct {
	TargetRef  *TargetRef         `json:"targetRef"`
	TargetRefs []TargetRef        `json:"targetRefs"`
	Selector   *WorkloadSelectors `json:"selector"`
}

type WorkloadSelectors struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

// each yields every reference with its path.
func (t *Targets) each() iter.Seq2[Path, *TargetRef] {
	return func(yield func(Path, *TargetRef) bool) {
		if t.TargetRef != nil && !yield(At("spec", "targetRef"), t.TargetRef) {
			return
		}
		for i := range t.TargetRefs {
			if !yield(At("spec", "targetRefs").Index(i), &t.TargetRefs[i]) {
				return
			}
		}
	}
}

// references returns every reference.
func (t *Targets) references() []TargetRef {
	var refs []TargetRef
	for _, ref := range t.each() {
		refs = append(refs, *ref)
	}
	return refs
}

// WasmPlugin is what the rules read of an extensions.istio.io WasmPlugin.
type WasmPlugin struct {
	Meta `json:"metadata"`
	Spec Targets `json:"spec"`
}

// Kind is WasmPluginKind.
func (*WasmPlugin) Kind() Kind { return WasmPluginKind }

// TrafficExtension is what the rules read of an extensions.istio.io
// TrafficExtension (Lua or Wasm).
type TrafficExtension struct {
	Meta `json:"metadata"`
	Spec Targets `json:"spec"`
}

// Kind is TrafficExtensionKind.
func (*TrafficExtension) Kind() Kind { return TrafficExtensionKind }

// AuthorizationPolicy is what the rules read of a security.istio.io
// AuthorizationPolicy.
type AuthorizationPolicy struct {
	Meta `json:"metadata"`
	Spec Targets `json:"spec"`
}

// Kind is AuthorizationPolicyKind.
func (*AuthorizationPolicy) Kind() Kind { return AuthorizationPolicyKind }

// RequestAuthentication is what the rules read of a security.istio.io
// RequestAuthentication.
type RequestAuthentication struct {
	Meta `json:"metadata"`
	Spec RequestAuthenticationSpec `json:"spec"`
}

// Kind is RequestAuthenticationKind.
func (*RequestAuthentication) Kind() Kind { return RequestAuthenticationKind }

type RequestAuthenticationSpec struct {
	Targets
	JWTRules []JWTRule `json:"jwtRules"`
}

// JWTRule holds the fields that write request headers.
type JWTRule struct {
	OutputPayloadToHeader string          `json:"outputPayloadToHeader"`
	OutputClaimToHeaders  []ClaimToHeader `json:"outputClaimToHeaders"`
}

type ClaimToHeader struct {
	Header string `json:"header"`
}

// headersWritten yields the names of the request headers that are written from
// a token.
func (a *RequestAuthentication) headersWritten() iter.Seq2[Path, string] {
	return func(yield func(Path, string) bool) {
		for i, rule := range a.Spec.JWTRules {
			at := At("spec", "jwtRules").Index(i)
			if rule.OutputPayloadToHeader != "" && !yield(at.Key("outputPayloadToHeader"), rule.OutputPayloadToHeader) {
				return
			}
			for j, claim := range rule.OutputClaimToHeaders {
				if !yield(at.Key("outputClaimToHeaders").Index(j).Key("header"), claim.Header) {
					return
				}
			}
		}
	}
}

// EnvoyFilter is what the rules read of a networking.istio.io EnvoyFilter.
type EnvoyFilter struct {
	Meta `json:"metadata"`
	Spec EnvoyFilterSpec `json:"spec"`
}

// Kind is EnvoyFilterKind.
func (*EnvoyFilter) Kind() Kind { return EnvoyFilterKind }

type EnvoyFilterSpec struct {
	TargetRefs       []TargetRef       `json:"targetRefs"`
	WorkloadSelector *WorkloadSelector `json:"workloadSelector"`
	ConfigPatches    []ConfigPatch     `json:"configPatches"`
}

type ConfigPatch struct {
	ApplyTo string           `json:"applyTo"`
	Match   ConfigPatchMatch `json:"match"`
	Patch   EnvoyPatch       `json:"patch"`
}

type ConfigPatchMatch struct {
	Context string `json:"context"`
	// Proxy and RouteConfiguration narrow down what is patched.
	Proxy              map[string]any `json:"proxy"`
	RouteConfiguration map[string]any `json:"routeConfiguration"`
}

// EnvoyPatch holds a piece of Envoy's configuration as it stands. Envoy reads
// both lowerCamelCase and snake_case names (protobuf's JSON mapping).
type EnvoyPatch struct {
	Operation string         `json:"operation"`
	Value     map[string]any `json:"value"`
}
