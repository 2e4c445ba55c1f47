package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"sallyport.dev/e2e/cluster"
	"sallyport.dev/e2e/guard"
)

const gatewayCRD = "customresourcedefinition/gateways.gateway.networking.k8s.io"

// TestAbsentKind: a kind that is not installed does not keep sallyport from
// judging the others, and is picked up when it is installed.
func TestAbsentKind(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	definition := withoutServerFields(t, kubectl(t, c.Admin, "", "get", gatewayCRD, "-o", "json"))
	kubectl(t, c.Admin, "", "delete", gatewayCRD)
	user, err := c.Tenant(t.Context(), "team-a")
	if err != nil {
		t.Fatal(err)
	}

	log := &lockedBuffer{}
	g, err := guard.Start(context.Background(), c, guard.Options{Binary: shared.binary, Log: log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Stop(), racesIn(log)); err != nil {
			t.Error(err)
		}
	})
	if err := g.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	namespaceLabel := []string{"create", "--dry-run=server", "-o", `jsonpath={.metadata.labels.istio\.io/use-waypoint-namespace}`, "-f", "-"}
	const entry = `{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
"metadata": {"name": "own", "labels": {"istio.io/use-waypoint": "egress-waypoint"}},
"spec": {"hosts": ["own.example.com"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "DNS"}}`
	if got := kubectl(t, user, entry, namespaceLabel...); got != "istio-egress" {
		t.Errorf("without Gateways the label means the egress waypoint, but is completed with %q", got)
	}

	kubectl(t, c.Admin, definition, "create", "-f", "-")
	eventually(t, "a Gateway can be created", func(ctx context.Context) bool {
		return user.Kubectl(ctx, `{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "egress-waypoint"},
"spec": {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}}`, "apply", "-f", "-").ExitCode == 0
	})
	eventually(t, "sallyport sees the team's own waypoint", func(ctx context.Context) bool {
		answer := user.Kubectl(ctx, entry, namespaceLabel...)
		return answer.ExitCode == 0 && strings.TrimSpace(answer.Stdout) == ""
	})
}

func withoutServerFields(t *testing.T, text string) string {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	object.SetUID("")
	object.SetResourceVersion("")
	object.SetManagedFields(nil)
	unstructured.RemoveNestedField(object.Object, "status")
	data, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
