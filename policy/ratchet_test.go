package policy

import (
	"strings"
	"testing"
)

// route is an HTTPRoute on a shared host with these rules.
func route(t *testing.T, metadata, rules string) Object {
	t.Helper()
	o, err := Decode(HTTPRouteKind, []byte(`{"metadata": {"name": "app1", "namespace": "team-a"`+metadata+`},
		"spec": {"parentRefs": [{"group": "networking.istio.io", "kind": "ServiceEntry", "namespace": "istio-egress", "name": "shared"}], "rules": [`+rules+`]}}`))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

const (
	open   = `{"matches": [{"path": {"value": "/"}}], "backendRefs": [{"group": "networking.istio.io", "kind": "Hostname", "name": "app1.team-a.api.example.com.invalid", "port": 443}]}`
	closed = `{"matches": [{"headers": [{"name": "%%source.principal%%", "value": "spiffe://cluster.local/ns/team-a/sa/app1"}]}], "backendRefs": [{"group": "networking.istio.io", "kind": "Hostname", "name": "app1.team-a.api.example.com.invalid", "port": 443}]}`
)

func TestRatchet(t *testing.T) {
	judged := []*Rule{ownPrincipal()}
	for _, tt := range []struct{ name, old, new, want string }{
		{"as before", open, open, "SP201=warn"},
		{"one more", open, open + "," + open, "SP201=warn SP201=deny"},
		{"moved", open, closed + "," + open, "SP201=warn"},
		{"mended", open, closed, ""},
		{"spoilt", closed, open, "SP201=deny"},
		{"another", open, strings.Replace(closed, "ns/team-a", "ns/team-b", 1), "SP201=deny"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, object := route(t, "", tt.old), route(t, `, "annotations": {"a": "b"}`, tt.new)
			if got := severities(ReviewUpdate(judged, DefaultConfig(), &Snapshot{}, old, object)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			strict := DefaultConfig()
			strict.Ratchet = false
			if got, want := severities(ReviewUpdate(judged, strict, &Snapshot{}, old, object)), severities(Review(judged, strict, &Snapshot{}, object)); got != want {
				t.Errorf("without the ratchet: %q, want %q", got, want)
			}
		})
	}
}

// TestDeletionIsNoFreePass: an object that is being deleted is judged as any.
func TestDeletionIsNoFreePass(t *testing.T) {
	const deleted = `, "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x"]`
	findings := ReviewUpdate([]*Rule{ownPrincipal()}, DefaultConfig(), &Snapshot{}, route(t, deleted, closed), route(t, deleted, open))
	if !Denies(findings) {
		t.Error("a spec became bad while the object was being deleted, and passed")
	}
}

// TestUpdatesThatMendNothing: a write that changes nothing which the rules read
// is not used to rewrite the object, and any other is.
func TestUpdatesThatMendNothing(t *testing.T) {
	object := func(metadata, credential string) Object {
		o, err := Decode(DestinationRuleKind, []byte(`{"metadata": {"name": "app1", "namespace": "team-a"`+metadata+`},
			"spec": {"host": "app1.team-a.api.example.com.invalid", "trafficPolicy": {"tls": {"mode": "MUTUAL", "credentialName": "`+credential+`", "subjectAltNames": ["api.example.com"]}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	for _, tt := range []struct {
		name     string
		old, new Object
		patched  bool
	}{
		{"finalizer", object(`, "finalizers": ["x"]`, "x"), object("", "x"), false},
		{"annotation", object("", "x"), object(`, "annotations": {"a": "b"}, "resourceVersion": "7"`, "x"), false},
		{"deletion", object("", "x"), object(`, "deletionTimestamp": "2026-01-01T00:00:00Z"`, "x"), false},
		{"label", object("", "x"), object(`, "labels": {"a": "b"}`, "x"), true},
		{"own annotation", object("", "x"), object(`, "annotations": {"sallyport.dev/app": "b"}`, "x"), true},
		{"spec", object("", "x"), object("", "y"), true},
		{"the short form again", object("", "team-a/x"), object("", "x"), true},
		{"creation", nil, object("", "x"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settled, err := SettleUpdate(Rules(), DefaultConfig(), &Snapshot{}, tt.old, tt.new)
			if err != nil {
				t.Fatal(err)
			}
			if (len(settled.Patch) > 0) != tt.patched {
				t.Errorf("patch %v", settled.Patch)
			}
			if Denies(settled.Findings) {
				t.Errorf("denied: %v", settled.Findings)
			}
		})
	}
}
