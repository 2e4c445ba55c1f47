package e2e_test

import (
	"testing"

	"sallyport.dev/e2e/guard"
)

// TestOutage: with sallyport down, what it judges waits, and nothing else does.
func TestOutage(t *testing.T) {
	user := tenant(t, "team-down")
	admin := testCluster().Admin
	log := &lockedBuffer{}
	g, err := guard.Start(t.Context(), testCluster(), guard.Options{Binary: shared.binary, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := testGuard().Install(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	refused(t, user, `sallyport.dev": failed to call webhook`, oldRoute("", closedRule), "create", "--dry-run=server", "-f", "-")
	for _, manifest := range []string{
		`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "free"}}`,
		`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "free"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}`,
		`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "free"}, "spec": {"ports": [{"port": 80}]}}`,
		`{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "free"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}}}`,
	} {
		kubectl(t, user, manifest, "create", "--dry-run=server", "-f", "-")
	}
	kubectl(t, admin, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "free"}}`, "create", "--dry-run=server", "-f", "-")
	kubectl(t, admin, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bound", "labels": {"istio.io/use-waypoint": "egress-waypoint"}}}`, "create", "--dry-run=server", "-f", "-")
	const alias = `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias"}, "spec": {"type": "ExternalName", "externalName": "api.example.com"}}`
	refused(t, user, `failed calling webhook "validate.services.sallyport.dev"`, alias, "create", "--dry-run=server", "-f", "-")
	kubectl(t, admin, alias, "create", "--dry-run=server", "-n", "kube-system", "-f", "-")
	if err := racesIn(log); err != nil {
		t.Error(err)
	}
}
