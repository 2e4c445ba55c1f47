package e2e_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport.dev/policy"
)

// The examples of the Gateway API and the samples of Istio are what people
// copy. None of them has anything to do with sallyport.
var sampleRoots = []sampleRoot{
	{module: "sigs.k8s.io/gateway-api", dir: "examples", command: []string{"go", "list", "-m", "-json", "sigs.k8s.io/gateway-api"}, files: 80},
	// Nothing imports this module: it is read, not built.
	{module: "istio.io/istio", dir: "samples", command: []string{"go", "mod", "download", "-json", "istio.io/istio@v0.0.0-20260827124520-eed52ebb66ad"}, files: 95},
}

type sampleRoot struct {
	module, dir string
	command     []string // prints the module's folder as JSON
	files       int      // fewer that hold manifests are a mistake of the test
}

// notManifests are files that hold no Kubernetes objects, or only after Helm
// has filled them in.
var notManifests = map[string]string{
	"istio.io/istio/ambient-argo/tag-chart/Chart.yaml":                       "a Helm chart's own file",
	"istio.io/istio/ambient-argo/tag-chart/values.yaml":                      "Helm values",
	"istio.io/istio/ambient-argo/tag-chart/templates/mutatingwebhooks.yaml":  "a Helm template",
	"istio.io/istio/ambient-argo/tag-chart/templates/shimservice.yaml":       "a Helm template",
	"istio.io/istio/ambient-argo/tag-chart/templates/validatingwebhook.yaml": "a Helm template",
	"istio.io/istio/bookinfo/src/mongodb/ratings_data.json":                  "data of an application",
	"istio.io/istio/bookinfo/src/ratings/package.json":                       "an npm package",
	"istio.io/istio/bookinfo/swagger.yaml":                                   "an OpenAPI document",
	"istio.io/istio/security/spire-trust-domain-federation/spire-base.yaml":  "Helm values",
	"istio.io/istio/security/spire-trust-domain-federation/spire-east.yaml":  "Helm values",
	"istio.io/istio/security/spire-trust-domain-federation/spire-west.yaml":  "Helm values",
}

// sampleExceptions are samples that sallyport changes, denies or warns of, with
// the reason: each truly names an egress waypoint. There is none.
var sampleExceptions = map[string]string{}

// sampleKinds are how many objects of each kind are judged at least.
var sampleKinds = map[policy.Kind]int{
	policy.DestinationRuleKind: 12, policy.EnvoyFilterKind: 3, policy.GRPCRouteKind: 6, policy.GatewayKind: 30, policy.HTTPRouteKind: 60,
	policy.NamespaceKind: 12, policy.ServiceEntryKind: 8, policy.ServiceKind: 80, policy.TCPRouteKind: 5, policy.TLSRouteKind: 4,
	policy.UDPRouteKind: 1, policy.VirtualServiceKind: 28,
}

// TestSamples needs no cluster: each file is judged as `sallyport check` would
// judge it, alone and beside what the platform team installs.
func TestSamples(t *testing.T) {
	platform := manifestsOf(t, "deploy/platform/platform.yaml", readFile(t, "deploy/platform/platform.yaml")+"\n---\n"+readFile(t, "deploy/platform/shared-host.yaml"))
	judged := map[policy.Kind]int{}
	skipped := maps.Clone(notManifests)
	for _, root := range sampleRoots {
		files := 0
		for name, text := range sampleFiles(t, root) {
			if _, skip := skipped[name]; skip {
				delete(skipped, name)
				if _, err := policy.ReadManifests([]byte(text), "default"); err == nil {
					t.Errorf("%s is skipped, but holds manifests", name)
				}
				continue
			}
			manifests := manifestsOf(t, name, text)
			if len(manifests) == 0 {
				continue // of kinds that sallyport does not read
			}
			files++
			for _, m := range manifests {
				judged[m.Object.Kind()]++
				checkSample(t, name, m, manifests)
				checkSample(t, name, m, slices.Concat(platform, manifests))
			}
		}
		t.Logf("%s: judged %d files below %s", root.module, files, root.dir)
		if files < root.files {
			t.Errorf("%s: judged %d files, want at least %d", root.module, files, root.files)
		}
	}
	for name := range skipped {
		t.Errorf("%s is to be skipped, but is not there", name)
	}
	for _, kind := range slices.Sorted(maps.Keys(judged)) {
		t.Logf("%5d %s", judged[kind], kind)
	}
	for kind, floor := range sampleKinds {
		if judged[kind] < floor {
			t.Errorf("judged %d objects of kind %s, want at least %d", judged[kind], kind, floor)
		}
	}
}

// sampleFiles returns the YAML and JSON files by their names below the module.
func sampleFiles(t *testing.T, root sampleRoot) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), root.command[0], root.command[1:]...).Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			t.Logf("%s", exit.Stderr)
		}
		t.Fatalf("%v: %v\n%s", root.command, err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil || module.Dir == "" {
		t.Fatalf("%v: %v\n%s", root.command, err, out)
	}
	files := map[string]string{}
	top := filepath.Join(module.Dir, root.dir)
	err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(top, path)
		files[root.module+"/"+filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// manifestsOf returns the objects of a file that sallyport judges.
func manifestsOf(t *testing.T, name, text string) []policy.Manifest {
	t.Helper()
	manifests, err := policy.ReadManifests([]byte(text), "default")
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return slices.DeleteFunc(manifests, func(m policy.Manifest) bool { return m.Object == nil })
}

func checkSample(t *testing.T, name string, m policy.Manifest, world []policy.Manifest) {
	t.Helper()
	snapshot := &policy.Snapshot{}
	for _, other := range world {
		snapshot.Put(other.Object)
	}
	settled, err := policy.Settle(policy.Rules(), policy.DefaultConfig(), snapshot, m.Object)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if len(settled.Patch) == 0 && len(settled.Findings) == 0 {
		return
	}
	ref := policy.RefOf(m.Object)
	if reason, ok := sampleExceptions[name+" "+ref.String()]; ok {
		t.Logf("%s: %s: %s", name, ref, reason)
		return
	}
	text, _ := json.Marshal(settled.Patch)
	t.Errorf("%s: %s: patch %s, answer %s", name, ref, text, strings.TrimSpace(policy.Answer(ref, settled.Findings)))
}
