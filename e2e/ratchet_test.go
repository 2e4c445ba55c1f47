package e2e_test

import (
	"strings"
	"testing"
)

const openRule = `{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [{"group": "networking.istio.io", "kind": "Hostname", "name": "app1.team-old.api.example.com.invalid", "port": 443}]}`

const closedRule = `{"matches": [{"headers": [{"name": "%%source.principal%%", "value": "spiffe://cluster.local/ns/team-old/sa/app1"}]}], "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["%%source.principal%%"]}}], "backendRefs": [{"group": "networking.istio.io", "kind": "Hostname", "name": "app1.team-old.api.example.com.invalid", "port": 443}]}`

func oldRoute(metadata, rules string) string {
	return `{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "old"` + metadata + `},
"spec": {"parentRefs": [{"group": "networking.istio.io", "kind": "ServiceEntry", "namespace": "istio-egress", "name": "shared"}], "rules": [` + rules + `]}}`
}

// TestOldObjects: a bad route that was there before sallyport may be annotated,
// freed of its finalizer, mended and deleted; it may not get worse.
func TestOldObjects(t *testing.T) {
	s := newStage(t)
	user := s.namespace(t, "team-old")
	kubectl(t, s.builder, oldRoute(`, "namespace": "team-old", "finalizers": ["example.com/wait"]`, openRule), "create", "-f", "-")

	annotated := user.Kubectl(t.Context(), "", "annotate", "httproute/old", "note=one")
	if annotated.ExitCode != 0 || !strings.Contains(annotated.Stderr, "SP201 own-principal, as before this change") {
		t.Errorf("annotation: exit %d\n%s", annotated.ExitCode, annotated.Stderr)
	}
	kubectl(t, user, "", "patch", "httproute/old", "--type=merge", "-p", `{"metadata": {"finalizers": null}}`)
	refused(t, user, "SP201", "", "patch", "httproute/old", "--type=merge", "-p", `{"spec": {"rules": [`+openRule+`,`+openRule+`]}}`)
	kubectl(t, user, "", "patch", "httproute/old", "--type=merge", "-p", `{"spec": {"rules": [`+closedRule+`]}}`)
	refused(t, user, "SP201", "", "patch", "httproute/old", "--type=merge", "-p", `{"spec": {"rules": [`+openRule+`]}}`)
	kubectl(t, user, "", "delete", "httproute/old")

	kubectl(t, s.builder, oldRoute(`, "namespace": "team-old"`, openRule), "create", "-f", "-")
	kubectl(t, user, "", "delete", "httproute/old")
}
