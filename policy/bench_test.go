package policy

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// The cost of a decision must not grow with the number of mappings. Each
// benchmark runs the same objects in Worlds of different sizes; benchstat
// compares them: go test -bench . -count 10 ./policy | benchstat -col /mappings -

// mappings is a World of that many mappings, 100 to a namespace, beside the
// platform's objects.
func mappings(b *testing.B, n int) *Snapshot {
	b.Helper()
	world := &Snapshot{}
	put := func(kind Kind, format string, args ...any) {
		o, err := DecodeForWorld(kind, fmt.Appendf(nil, format, args...))
		if err != nil {
			b.Fatal(err)
		}
		world.Put(o)
	}
	put(NamespaceKind, `{"metadata": {"name": "istio-egress", "labels": {"istio.io/use-waypoint": "egress-waypoint"}}}`)
	put(GatewayKind, `{"metadata": {"name": "egress-waypoint", "namespace": "istio-egress"}}`)
	put(ServiceEntryKind, `{"metadata": {"name": "shared", "namespace": "istio-egress", "labels": {"istio.io/use-waypoint": "egress-waypoint"}}, "spec": {"hosts": ["api.example.com"]}}`)
	for i := range n {
		namespace, app := fmt.Sprintf("team-%d", i/100), fmt.Sprintf("app-%d", i)
		if i%100 == 0 {
			put(NamespaceKind, `{"metadata": {"name": %q}}`, namespace)
		}
		host := app + "." + namespace + ".api.example.com.invalid"
		put(ServiceEntryKind, `{"metadata": {"name": %q, "namespace": %q}, "spec": {"hosts": [%q], "ports": [{"number": 443}]}}`, app, namespace, host)
		put(DestinationRuleKind, `{"metadata": {"name": %q, "namespace": %q}, "spec": {"host": %q, "trafficPolicy": {"tls": {"mode": "MUTUAL"}}}}`, app, namespace, host)
	}
	return world
}

// benchObjects are one object of each kind, and one off the egress path.
func benchObjects() map[string]struct {
	kind Kind
	json string
} {
	type object = struct {
		kind Kind
		json string
	}
	return map[string]object{
		"ServiceEntry": {ServiceEntryKind, `{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "app-7", "namespace": "team-0"},
			"spec": {"hosts": ["app-7.team-0.api.example.com.invalid"], "location": "MESH_EXTERNAL", "resolution": "DNS",
			"ports": [{"number": 443, "name": "https", "protocol": "HTTPS"}], "endpoints": [{"address": "api.example.com"}]}}`},
		"DestinationRule": {DestinationRuleKind, `{"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "app-7", "namespace": "team-0"},
			"spec": {"host": "app-7.team-0.api.example.com.invalid", "trafficPolicy": {"tls": {"mode": "MUTUAL", "credentialName": "team-0/app-7", "subjectAltNames": ["api.example.com"]}}}}`},
		"HTTPRoute": {HTTPRouteKind, `{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "app-7", "namespace": "team-0"},
			"spec": {"parentRefs": [{"group": "networking.istio.io", "kind": "ServiceEntry", "namespace": "istio-egress", "name": "shared"}],
			"rules": [{"matches": [{"headers": [{"type": "Exact", "name": "%%source.principal%%", "value": "spiffe://cluster.local/ns/team-0/sa/app-7"}]}],
			"backendRefs": [{"group": "networking.istio.io", "kind": "Hostname", "name": "app-7.team-0.api.example.com.invalid", "port": 443}]}]}}`},
		"off-the-path": {DestinationRuleKind, `{"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "reviews", "namespace": "team-0"},
			"spec": {"host": "reviews", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}, "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}}`},
	}
}

func eachWorld(b *testing.B, f func(b *testing.B, world World, o Object)) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		world := mappings(b, n)
		objects := benchObjects()
		for _, name := range slices.Sorted(maps.Keys(objects)) {
			object := objects[name]
			o, err := Decode(object.kind, []byte(object.json))
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("object=%s/mappings=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				f(b, world, o)
			})
		}
	}
}

func BenchmarkReview(b *testing.B) {
	rules, config := Rules(), DefaultConfig()
	eachWorld(b, func(b *testing.B, world World, o Object) {
		for b.Loop() {
			if findings := Review(rules, config, world, o); len(findings) > 0 {
				b.Fatal(findings)
			}
		}
	})
}

// BenchmarkDecide is what the webhook does with an object: decode and settle.
func BenchmarkDecide(b *testing.B) {
	rules, config := Rules(), DefaultConfig()
	eachWorld(b, func(b *testing.B, world World, o Object) {
		raw := o.Metadata().Raw()
		for b.Loop() {
			decoded, err := Decode(o.Kind(), raw)
			if err != nil {
				b.Fatal(err)
			}
			if settled, err := Settle(rules, config, world, decoded); err != nil || len(settled.Findings) > 0 {
				b.Fatal(settled.Findings, err)
			}
		}
	})
}
