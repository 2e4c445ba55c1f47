package cluster_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"sallyport.dev/e2e/cluster"
)

func TestCRDsAreServed(t *testing.T) {
	client := discoveryClient(t)
	for _, test := range []struct{ groupVersion, resource string }{
		{"networking.istio.io/v1", "serviceentries"},
		{"networking.istio.io/v1beta1", "serviceentries"},
		{"networking.istio.io/v1alpha3", "serviceentries"},
		{"networking.istio.io/v1alpha3", "envoyfilters"},
		{"gateway.networking.k8s.io/v1", "httproutes"},
		{"gateway.networking.k8s.io/v1beta1", "httproutes"},
		{"gateway.networking.k8s.io/v1", "tcproutes"},
	} {
		t.Run(test.groupVersion+"/"+test.resource, func(t *testing.T) {
			list, err := client.ServerResourcesForGroupVersion(test.groupVersion)
			if err != nil {
				t.Fatal(err)
			}
			served := func(r metav1.APIResource) bool { return r.Name == test.resource }
			if !slices.ContainsFunc(list.APIResources, served) {
				t.Errorf("%s does not serve %s", test.groupVersion, test.resource)
			}
		})
	}
}

func TestCRDsAreEstablished(t *testing.T) {
	client, err := apiextensions.NewForConfig(shared.Admin.Config)
	if err != nil {
		t.Fatal(err)
	}
	crds, err := client.CustomResourceDefinitions().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, crd := range crds.Items {
		established := func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		}
		if !slices.ContainsFunc(crd.Status.Conditions, established) {
			t.Errorf("%s is not established", crd.Name)
		}
	}
}

func TestTenantMayEditItsNamespaceOnly(t *testing.T) {
	own, other := tenant(t, "rbac-own"), tenant(t, "rbac-other")
	run(t, own, httpRoute("", "mine"), "create", "-f", "-")
	run(t, own, "", "get", "httproute", "mine", "--namespace", own.Namespace)

	forbidden(t, own, httpRoute(other.Namespace, "theirs"), "create", "-f", "-")
	forbidden(t, own, "", "get", "httproutes", "--namespace", other.Namespace)
	forbidden(t, own, "", "create", "namespace", "rbac-new")
	forbidden(t, own, "", "get", "envoyfilters")
}

func TestTenantIsMadeOnce(t *testing.T) {
	if first, second := tenant(t, "once"), tenant(t, "once"); first != second {
		t.Errorf("two users for one namespace: %v and %v", first, second)
	}
}

func TestTenantRole(t *testing.T) {
	u := tenant(t, "role")
	for resource, want := range map[string]string{
		"serviceentries.networking.istio.io":                           "yes",
		"destinationrules.networking.istio.io":                         "yes",
		"authorizationpolicies.security.istio.io":                      "yes",
		"wasmplugins.extensions.istio.io":                              "yes",
		"udproutes.gateway.networking.k8s.io":                          "yes",
		"secrets":                                                      "yes",
		"cronjobs.batch":                                               "yes",
		"envoyfilters.networking.istio.io":                             "no",
		"rolebindings.rbac.authorization.k8s.io":                       "no",
		"namespaces":                                                   "no",
		"gatewayclasses.gateway.networking.k8s.io":                     "no",
		"validatingwebhookconfigurations.admissionregistration.k8s.io": "no",
	} {
		t.Run(resource, func(t *testing.T) {
			// "no" comes with exit code 1.
			got := u.Kubectl(t.Context(), "", "auth", "can-i", "create", resource)
			if strings.TrimSpace(got.Stdout) != want {
				t.Errorf("can-i create %s: want %s, got %+v", resource, want, got)
			}
		})
	}
}

func TestUser(t *testing.T) {
	const name = "system:serviceaccount:some-namespace:some-account"
	u, err := shared.User(name, "system:serviceaccounts")
	if err != nil {
		t.Fatal(err)
	}
	got := u.Kubectl(t.Context(), "", "auth", "whoami", "-o", "jsonpath={.status.userInfo}")
	if got.ExitCode != 0 || !strings.Contains(got.Stdout, `"`+name+`"`) || !strings.Contains(got.Stdout, `"system:serviceaccounts"`) {
		t.Errorf("want to be %s, got %+v", name, got)
	}
	forbidden(t, u, "", "get", "configmaps")
}

func TestKubectlReportsFailures(t *testing.T) {
	if got := shared.Admin.Kubectl(t.Context(), "", "get", "no-such-resource"); got.ExitCode != 1 || got.Err != nil || got.Stderr == "" {
		t.Errorf("want exit code 1 with a message, got %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := shared.Admin.Kubectl(ctx, "", "version"); got.ExitCode != -1 || got.Err == nil {
		t.Errorf("want an error with a cancelled context, got %+v", got)
	}
}

func TestAPIServerRestart(t *testing.T) {
	u := tenant(t, "restart")
	run(t, u, httpRoute("", "kept"), "create", "-f", "-")
	client := discoveryClient(t)
	before := pids(t)

	if err := shared.StartAPIServer(t.Context()); err == nil {
		t.Error("want an error when it is running")
	}
	if err := shared.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if alive(before["kube-apiserver"]) || !alive(before["etcd"]) {
		t.Errorf("want only etcd to be running")
	}
	if got := u.Kubectl(t.Context(), "", "get", "httproute", "kept"); got.ExitCode == 0 || got.Err != nil {
		t.Errorf("want no answer from a stopped API server, got %+v", got)
	}
	if err := shared.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}

	run(t, u, "", "get", "httproute", "kept")
	if _, err := client.ServerVersion(); err != nil {
		t.Errorf("a client from before the restart: %v", err)
	}
	after := pids(t)
	if after["etcd"] != before["etcd"] || after["kube-apiserver"] == before["kube-apiserver"] {
		t.Errorf("want the same etcd and another API server, got %v then %v", before, after)
	}
}

func TestSnapshotSeesWrites(t *testing.T) {
	u := tenant(t, "snapshot")
	key := "gateway.networking.k8s.io/v1/httproutes/snapshot/route"
	before := snapshot(t)

	run(t, u, httpRoute("", "route"), "create", "--dry-run=server", "-f", "-")
	if got := snapshot(t); !maps.Equal(before, got) {
		t.Errorf("a dry run changed %v", difference(before, got))
	}

	run(t, u, httpRoute("", "route"), "create", "-f", "-")
	created := snapshot(t)
	if got := difference(before, created); !slices.Equal(got, []string{key}) {
		t.Errorf("want a create to change %s, got %v", key, got)
	}

	run(t, u, "", "label", "httproute", "route", "touched=yes")
	if got := difference(created, snapshot(t)); !slices.Equal(got, []string{key}) {
		t.Errorf("want an update to change %s, got %v", key, got)
	}
}

func TestSnapshotPages(t *testing.T) {
	u := tenant(t, "pages")
	const objects = 501 // one more than a page
	var manifest strings.Builder
	for i := range objects {
		fmt.Fprintf(&manifest, "{apiVersion: v1, kind: ConfigMap, metadata: {name: c%d}}\n---\n", i)
	}
	run(t, u, manifest.String(), "create", "-f", "-")
	found := 0
	for key := range snapshot(t) {
		if strings.HasPrefix(key, "core/v1/configmaps/pages/") {
			found++
		}
	}
	if found != objects {
		t.Errorf("want %d ConfigMaps in the snapshot, got %d", objects, found)
	}
}

func TestMissingBinaries(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", t.TempDir())
	_, err := cluster.Start(t.Context(), cluster.Options{})
	if err == nil || !strings.Contains(err.Error(), `run "make controlplane"`) {
		t.Errorf("want an error that says what to do, got %v", err)
	}
}

func TestStartFailureShowsLog(t *testing.T) {
	const words = "unknown flag: --no-such-flag"
	logDir := t.TempDir()
	_, err := cluster.Start(t.Context(), cluster.Options{
		APIServerFlags: map[string][]string{"no-such-flag": {"1"}},
		LogDir:         logDir,
	})
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("want an error with the API server's own words, got %v", err)
	}
	log, err := os.ReadFile(filepath.Join(logDir, "kube-apiserver.log"))
	if err != nil || !strings.Contains(string(log), words) {
		t.Errorf("want them in the log that is kept, got %q, %v", log, err)
	}
}

func TestFreePort(t *testing.T) {
	port, err := cluster.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}

// discoveryClient returns a client that has a connection to the API server.
func discoveryClient(t *testing.T) *discovery.DiscoveryClient {
	t.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(shared.Admin.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ServerVersion(); err != nil {
		t.Fatal(err)
	}
	return client
}

func tenant(t *testing.T, namespace string) *cluster.User {
	t.Helper()
	u, err := shared.Tenant(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func run(t *testing.T, u *cluster.User, stdin string, args ...string) {
	t.Helper()
	if got := u.Kubectl(t.Context(), stdin, args...); got.Err != nil || got.ExitCode != 0 {
		t.Fatalf("kubectl %s as %s: %+v", strings.Join(args, " "), u.Name, got)
	}
}

func forbidden(t *testing.T, u *cluster.User, stdin string, args ...string) {
	t.Helper()
	got := u.Kubectl(t.Context(), stdin, args...)
	if got.Err != nil || got.ExitCode == 0 || !strings.Contains(got.Stderr, "(Forbidden)") {
		t.Errorf("kubectl %s as %s: want Forbidden, got %+v", strings.Join(args, " "), u.Name, got)
	}
}

func snapshot(t *testing.T) map[string]string {
	t.Helper()
	s, err := shared.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// difference lists the keys that are in one map only or have another value.
func difference(a, b map[string]string) []string {
	keys := map[string]bool{}
	for key := range a {
		keys[key] = a[key] != b[key]
	}
	for key := range b {
		keys[key] = a[key] != b[key]
	}
	maps.DeleteFunc(keys, func(_ string, differs bool) bool { return !differs })
	return slices.Sorted(maps.Keys(keys))
}

func pids(t *testing.T) map[string]int {
	t.Helper()
	p, err := shared.PIDs()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func httpRoute(namespace, name string) string {
	return fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %q, namespace: %q}
spec:
  rules:
  - backendRefs: [{name: backend, port: 80}]
`, name, namespace)
}
