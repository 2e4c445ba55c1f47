package policy

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// What an EnvoyFilter does to headers. Its patches are Envoy's configuration as
// it stands, which istiod merges in (istio.io/istio
// pilot/pkg/networking/core/envoyfilter), so they are searched in depth for the
// few messages of Envoy that write or remove a header.

// reaches tells whether the filter applies to the waypoint. Without references
// it applies to all proxies of its namespace; a workloadSelector is taken for
// one that selects the waypoint.
func (ef *EnvoyFilter) reaches(w Waypoint) bool {
	return len(ef.Spec.TargetRefs) == 0 || slices.ContainsFunc(ef.Spec.TargetRefs, func(ref TargetRef) bool {
		return ref.Group == gatewayGroup && (ref.Kind == string(GatewayKind) && ref.Name == w.Name || ref.waypointClass())
	})
}

// waypointClass tells whether the reference is to all waypoints of the mesh. It
// counts in the root namespace only (istio.io/istio
// pilot/pkg/model/policyattachment.go, ShouldAttachPolicy).
func (r *TargetRef) waypointClass() bool {
	return r.Group == gatewayGroup && r.Kind == "GatewayClass" && r.Name == "istio-waypoint"
}

// headerChange is one place where a filter sets, adds or removes a header.
type headerChange struct {
	at   Path
	name string // the header's, as it stands there
	// option is Envoy's HeaderValueOption, nil for a removal.
	option map[string]any
	// early is true for a mutation that Envoy makes before it chooses a route.
	early bool
}

// changesOf yields the writes and the early removals of the header, in the
// order in which Envoy makes early ones: that of the patches and of the lists.
func (ef *EnvoyFilter) changesOf(header string) iter.Seq[headerChange] {
	return func(yield func(headerChange) bool) {
		for i := range ef.Spec.ConfigPatches {
			at := At("spec", "configPatches").Index(i).Key("patch", "value")
			for at, m := range members(at, ef.Spec.ConfigPatches[i].Patch.Value) {
				early := at.has("early_header_mutation_extensions")
				if key, ok := optionKey(m); ok && sameHeader(key, header) && !yield(headerChange{at, key, m, early}) {
					return
				}
				if name, ok := m["remove"].(string); ok && early && sameHeader(name, header) && !yield(headerChange{at, name, nil, true}) {
					return
				}
			}
		}
	}
}

// writesOf returns the places where the filter sets or adds the header.
func (ef *EnvoyFilter) writesOf(header string) []headerChange {
	var writes []headerChange
	for change := range ef.changesOf(header) {
		if change.option != nil {
			writes = append(writes, change)
		}
	}
	return writes
}

// removesEverywhere tells whether the filter removes the header from every
// request that a route forwards.
func (ef *EnvoyFilter) removesEverywhere(header string) bool {
	for i := range ef.Spec.ConfigPatches {
		if patch := &ef.Spec.ConfigPatches[i]; patch.removes(header) && patch.shortfall() == "" {
			return true
		}
	}
	return false
}

// removes tells whether the patch names the header among those that a route
// configuration takes away.
func (c *ConfigPatch) removes(header string) bool {
	names, _ := member(c.Patch.Value, "request_headers_to_remove").([]any)
	return c.ApplyTo == "ROUTE_CONFIGURATION" && slices.ContainsFunc(names, func(name any) bool {
		text, ok := name.(string)
		return ok && sameHeader(text, header)
	})
}

// shortfall says what keeps a removal from some routes, "" for none. Only MERGE
// works on a route configuration (istio.io/istio
// pilot/pkg/networking/core/envoyfilter/rc_patch.go,
// ApplyRouteConfigurationPatches).
func (c *ConfigPatch) shortfall() string {
	switch {
	case c.Patch.Operation != "MERGE":
		return "only the operation MERGE works on a ROUTE_CONFIGURATION"
	case strings.HasPrefix(c.Match.Context, "SIDECAR"):
		return fmt.Sprintf("the context %s is no waypoint's", c.Match.Context)
	case len(c.Match.RouteConfiguration) > 0 || len(c.Match.Proxy) > 0:
		return "its match limits it to some routes or proxies"
	}
	return ""
}

// members yields every JSON object within a value, itself included, from the
// top and in the order of the keys.
func members(at Path, value any) iter.Seq2[Path, map[string]any] {
	return func(yield func(Path, map[string]any) bool) { eachMember(at, value, yield) }
}

func eachMember(at Path, value any, yield func(Path, map[string]any) bool) bool {
	switch value := value.(type) {
	case []any:
		for i, v := range value {
			if !eachMember(at.Index(i), v, yield) {
				return false
			}
		}
	case map[string]any:
		if !yield(at, value) {
			return false
		}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if !eachMember(at.Key(key), value[key], yield) {
				return false
			}
		}
	}
	return true
}

// optionKey returns the header's name of what is a HeaderValueOption (envoy
// config/core/v3/base.proto).
func optionKey(m map[string]any) (key string, ok bool) {
	header, _ := m["header"].(map[string]any)
	key, ok = header["key"].(string)
	return key, ok
}

// member returns a field of a protobuf message by its name, which JSON may
// spell in lowerCamelCase, too.
func member(m map[string]any, name string) any { return m[spelled(m, name)] }

// spelled returns the spelling of the name that is there, name if none is.
func spelled(m map[string]any, name string) string {
	if _, ok := m[name]; !ok && m[lowerCamel(name)] != nil {
		return lowerCamel(name)
	}
	return name
}

func lowerCamel(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts[1:] {
		parts[i+1] = strings.ToUpper(part[:1]) + part[1:]
	}
	return strings.Join(parts, "")
}

// has tells whether the path leads through a field of this name.
func (p Path) has(name string) bool {
	return slices.ContainsFunc(p, func(s Step) bool { return s.Key == name || s.Key == lowerCamel(name) })
}
