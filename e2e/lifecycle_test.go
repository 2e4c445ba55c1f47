package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// ruleOf is a DestinationRule of app1 in the namespace, as short as the user
// may write it, with one more label to tell versions apart.
func ruleOf(namespace, credential, label string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: app1
  labels:
    version: %q
spec:
  host: app1.%s.api.example.com.invalid
  trafficPolicy:
    tls:
      mode: MUTUAL
      credentialName: %s
      subjectAltNames: [api.example.com]
`, label, namespace, credential)
}

const credentialPath = ".spec.trafficPolicy.tls.credentialName"

func version(t *testing.T, namespace, object string) string {
	t.Helper()
	return field(t, tenant(t, namespace), object, ".metadata.resourceVersion")
}

// wantCredential checks the stored credentialName.
func wantCredential(t *testing.T, namespace, want string) {
	t.Helper()
	if got := field(t, tenant(t, namespace), "destinationrule/app1", credentialPath); got != want {
		t.Errorf("stored credentialName %q, want %q", got, want)
	}
}

// TestSeedCredential: the DestinationRule of seed 000 with a bare name.
func TestSeedCredential(t *testing.T) {
	user := tenant(t, "team-namespace")
	cleanUp(t, user, "destinationrule/app1-nginx-mesh-external-dr")
	manifest := `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: app1-nginx-mesh-external-dr
  namespace: team-namespace
spec:
  host: app1.team-namespace.my-nginx.foo.bar.invalid
  trafficPolicy:
    tls:
      subjectAltNames:
      - app1.team-namespace.my-nginx.foo.bar.invalid
      - my-nginx.foo.bar
      mode: MUTUAL
      credentialName: app1-client-mtls-secret
`
	kubectl(t, user, manifest, "apply", "-f", "-")
	got := field(t, user, "destinationrule/app1-nginx-mesh-external-dr", credentialPath)
	if got != "team-namespace/app1-client-mtls-secret" {
		t.Errorf("stored %q", got)
	}
}

// TestClientSideApply: kubectl's three-way merge.
func TestClientSideApply(t *testing.T) {
	user := tenant(t, "team-apply")
	cleanUp(t, user, "destinationrule/app1")
	short := ruleOf("team-apply", "app1-cert", "1")
	kubectl(t, user, short, "apply", "-f", "-")
	wantCredential(t, "team-apply", "team-apply/app1-cert")

	unchanged := func(path string, args ...string) {
		t.Helper()
		before := field(t, user, "destinationrule/app1", path)
		kubectl(t, user, short, args...)
		if after := field(t, user, "destinationrule/app1", path); after != before {
			t.Errorf("kubectl %v: %s %s became %s", args, path, before, after)
		}
	}
	unchanged(".metadata.resourceVersion", "apply", "-f", "-")
	// Two managers that both send the short form take the field from each other
	// in managedFields: who owns it is noted before sallyport restores the value
	// (k8s.io/apiserver pkg/endpoints/handlers/patch.go). The object itself stays.
	unchanged(".metadata.generation", "apply", "--field-manager=another", "-f", "-")
	unchanged(".metadata.resourceVersion", "apply", "--field-manager=another", "-f", "-")
	unchanged(".metadata.generation", "apply", "-f", "-")
	wantCredential(t, "team-apply", "team-apply/app1-cert")

	diff := user.Kubectl(t.Context(), short, "diff", "-f", "-")
	if diff.ExitCode != 0 || diff.Stdout != "" {
		t.Errorf("kubectl diff: exit %d\n%s%s", diff.ExitCode, diff.Stdout, diff.Stderr)
	}
	changed := user.Kubectl(t.Context(), ruleOf("team-apply", "app1-cert", "2"), "diff", "-f", "-")
	if changed.ExitCode != 1 || strings.Contains(changed.Stdout, "credentialName: app1-cert") {
		t.Errorf("kubectl diff of a changed label: exit %d\n%s%s", changed.ExitCode, changed.Stdout, changed.Stderr)
	}

	kubectl(t, user, ruleOf("team-apply", "other-cert", "1"), "apply", "-f", "-")
	wantCredential(t, "team-apply", "team-apply/other-cert")
	kubectl(t, user, ruleOf("team-apply", "team-apply/app1-cert", "1"), "apply", "-f", "-")
	wantCredential(t, "team-apply", "team-apply/app1-cert")
	kubectl(t, user, short, "replace", "-f", "-")
	wantCredential(t, "team-apply", "team-apply/app1-cert")
	refused(t, user, "SP101", ruleOf("team-apply", "team-b/app1-cert", "1"), "apply", "-f", "-")
	wantCredential(t, "team-apply", "team-apply/app1-cert")
}

// TestServerSideApply by one manager and by two. What sallyport completes
// belongs to the manager that sent the short form, with the completed value:
//   - the same manager may send the short form again;
//   - a second manager that sends the short form is in conflict, because what
//     it sent differs from the value that is stored, before sallyport is asked
//     (k8s.io/apimachinery pkg/util/managedfields compares before admission);
//   - a second manager that sends the full form is not.
func TestServerSideApply(t *testing.T) {
	user := tenant(t, "team-ssa")
	cleanUp(t, user, "destinationrule/app1")
	short, full := ruleOf("team-ssa", "app1-cert", "1"), ruleOf("team-ssa", "team-ssa/app1-cert", "1")
	apply := func(manager string) []string {
		return []string{"apply", "--server-side", "--field-manager=" + manager, "-f", "-"}
	}
	kubectl(t, user, short, apply("first")...)
	wantCredential(t, "team-ssa", "team-ssa/app1-cert")

	before := version(t, "team-ssa", "destinationrule/app1")
	kubectl(t, user, short, apply("first")...)
	if after := version(t, "team-ssa", "destinationrule/app1"); after != before {
		t.Errorf("the same manager, again: resourceVersion %s became %s", before, after)
	}

	conflict := user.Kubectl(t.Context(), short, apply("second")...)
	if conflict.ExitCode == 0 || !strings.Contains(conflict.Stderr, `conflict with "first"`) || !strings.Contains(conflict.Stderr, credentialPath) {
		t.Errorf("the short form of a second manager: exit %d\n%s", conflict.ExitCode, conflict.Stderr)
	}
	if after := version(t, "team-ssa", "destinationrule/app1"); after != before {
		t.Errorf("a conflict changed resourceVersion %s to %s", before, after)
	}

	kubectl(t, user, full, apply("second")...)
	wantCredential(t, "team-ssa", "team-ssa/app1-cert")
	shared := version(t, "team-ssa", "destinationrule/app1")
	kubectl(t, user, full, apply("second")...)
	kubectl(t, user, full, apply("first")...)
	if after := version(t, "team-ssa", "destinationrule/app1"); after != shared {
		t.Errorf("the full form of both managers, again: resourceVersion %s became %s", shared, after)
	}

	kubectl(t, user, ruleOf("team-ssa", "app2-cert", "1"), append(apply("second"), "--force-conflicts")...)
	wantCredential(t, "team-ssa", "team-ssa/app2-cert")
	refused(t, user, "SP101", ruleOf("team-ssa", "team-b/app1-cert", "1"), append(apply("second"), "--force-conflicts")...)
	wantCredential(t, "team-ssa", "team-ssa/app2-cert")
}

// TestPatches: every patch type that the API server knows is completed and
// judged like any other change.
func TestPatches(t *testing.T) {
	user := tenant(t, "team-patch")
	cleanUp(t, user, "destinationrule/app1")
	kubectl(t, user, ruleOf("team-patch", "app1-cert", "1"), "create", "-f", "-")
	for _, tt := range []struct{ kind, patch string }{
		{"json", `[{"op": "replace", "path": "/spec/trafficPolicy/tls/credentialName", "value": "%s"}]`},
		{"merge", `{"spec": {"trafficPolicy": {"tls": {"credentialName": "%s"}}}}`},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			secret := tt.kind + "-cert"
			kubectl(t, user, "", "patch", "destinationrule/app1", "--type="+tt.kind, "-p", fmt.Sprintf(tt.patch, secret))
			wantCredential(t, "team-patch", "team-patch/"+secret)
			refused(t, user, "SP101", "", "patch", "destinationrule/app1", "--type="+tt.kind, "-p", fmt.Sprintf(tt.patch, "team-b/x"))
			wantCredential(t, "team-patch", "team-patch/"+secret)
		})
	}
}

// TestMetadataAndDeletion: what changes no guarded field passes.
func TestMetadataAndDeletion(t *testing.T) {
	user := tenant(t, "team-meta")
	cleanUp(t, user, "destinationrule/app1")
	kubectl(t, user, ruleOf("team-meta", "app1-cert", "1"), "create", "-f", "-")
	kubectl(t, user, "", "label", "destinationrule/app1", "colour=blue")
	kubectl(t, user, "", "annotate", "destinationrule/app1", "note=anything at all")
	kubectl(t, user, "", "patch", "destinationrule/app1", "--type=merge", "-p", `{"metadata": {"finalizers": ["example.com/wait"]}}`)
	wantCredential(t, "team-meta", "team-meta/app1-cert")
	kubectl(t, user, "", "delete", "destinationrule/app1", "--wait=false")
	kubectl(t, user, "", "patch", "destinationrule/app1", "--type=merge", "-p", `{"metadata": {"finalizers": null}}`)
	gone := user.Kubectl(t.Context(), "", "get", "destinationrule/app1")
	if !strings.Contains(gone.Stderr, "NotFound") {
		t.Errorf("after the deletion: %s%s", gone.Stdout, gone.Stderr)
	}
}

// TestVersions: an old API version is no way around.
func TestVersions(t *testing.T) {
	user := tenant(t, "team-versions")
	cleanUp(t, user, "destinationrule/app1")
	for _, v := range []string{"v1alpha3", "v1beta1", "v1"} {
		manifest := func(credential string) string {
			return strings.Replace(ruleOf("team-versions", credential, v), "networking.istio.io/v1", "networking.istio.io/"+v, 1)
		}
		refused(t, user, "SP101", manifest("team-b/app1-cert"), "create", "-f", "-")
		kubectl(t, user, manifest("cert-"+v), "apply", "-f", "-")
		wantCredential(t, "team-versions", "team-versions/cert-"+v)
	}
}

// TestUnknownFieldSurvives: fields that sallyport's types do not know, and a
// label beside the one that it adds.
func TestUnknownFieldSurvives(t *testing.T) {
	admin := testCluster().Admin
	kubectl(t, admin, readFile(t, "deploy/platform/platform.yaml"), "apply", "-f", "-")
	cleanUp(t, admin, "serviceentry/survives", "-n", "istio-egress")
	kubectl(t, admin, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: survives
  namespace: istio-egress
  labels: {team: platform}
spec:
  hosts: [survives.example.com]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: survives.example.com, locality: region1/zone1, weight: 7, network: n1}]
  exportTo: ["*"]
  subjectAltNames: [spiffe://example.com/x]
`, "create", "-f", "-")
	got := kubectl(t, admin, "", "get", "serviceentry/survives", "-n", "istio-egress", "-o", "jsonpath={.metadata.labels}{.spec}")
	want := `{"istio.io/use-waypoint":"egress-waypoint","team":"platform"}` +
		`{"endpoints":[{"address":"survives.example.com","locality":"region1/zone1","network":"n1","weight":7}],"exportTo":["*"],"hosts":["survives.example.com"],` +
		`"location":"MESH_EXTERNAL","ports":[{"name":"http","number":80,"protocol":"HTTP"}],"resolution":"DNS","subjectAltNames":["spiffe://example.com/x"]}`
	if got != want {
		t.Errorf("stored\n%s\nwant\n%s", got, want)
	}
}
