package e2e_test

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pmezard/go-difflib/difflib"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"sallyport.dev/e2e/cluster"
	"sallyport.dev/policy"
)

// seedDir holds the manifests of the guides that sallyport is made for. Files
// are applied in the order of their names; the number in front is the guide.
const seedDir = "testdata/seeds"

// seedNamespaces are the files that a guide applies with "kubectl -n".
var seedNamespaces = map[string]string{"003-common-certificate-3.yaml": "istio-system"}

// A completion is an "add" of a JSON patch (RFC 6902), with its path cut up.
type completion struct {
	path  []string
	value string
}

// seedCompletions are all that sallyport may change in the guides' objects.
var seedCompletions = map[string][]completion{
	// The label that the version of step 3 had: without it, traffic to the
	// host keeps to the waypoint by the label of the namespace alone (SP001).
	"002-step4.yaml/ServiceEntry/istio-egress/httpbin.org": {
		{path: []string{"metadata", "labels", "istio.io/use-waypoint"}, value: "egress-waypoint"},
	},
}

// seedWarnings are all that sallyport may say about a file: the plaintext
// between the egress gateway and the external server, which the guides 001 and
// 004 point out before their step 4 closes it.
var seedWarnings = map[string][]string{
	"001-step3.yaml": {plaintextWarning},
	"004-step3.yaml": {plaintextWarning},
}

const plaintextWarning = `[SP407 plaintext-leaves] spec.http[1].route[0].destination.host: "test.com" gets requests out of the mesh in plaintext, on port 80; send to a port of TLS, or write a DestinationRule with tls for this one`

type object = unstructured.Unstructured

// seedFile is one file of manifests and what the API server makes of them.
type seedFile struct {
	name     string
	text     string
	objects  []*object // as written, but for the namespace
	baseline []*object // as they are stored when there is no sallyport
	warnings []string  // what is said then
}

// TestSeeds: the API server stores every manifest of the guides as it does
// without sallyport, but for the completions above.
func TestSeeds(t *testing.T) {
	files := readSeeds(t)
	checkSeedTables(t, files)
	s := newStore(t)
	s.setAside(t, files)
	withoutWebhooks(t, func() {
		for _, f := range files {
			f.takeBaseline(t)
		}
	})
	for len(files) > 0 {
		guide, rest := firstGuide(files)
		t.Run(guide[0].name[:3], func(t *testing.T) {
			t.Cleanup(func() { s.clear(t, guide) }) // guides share hosts and names
			for _, f := range guide {
				t.Run(f.name, func(t *testing.T) { f.judge(t, s) })
			}
		})
		files = rest
	}
}

func readSeeds(t *testing.T) []*seedFile {
	t.Helper()
	entries, err := os.ReadDir(seedDir)
	if err != nil {
		t.Fatal(err)
	}
	var files []*seedFile
	for _, entry := range entries {
		files = append(files, readSeed(t, entry.Name()))
	}
	return files
}

func readSeed(t *testing.T, name string) *seedFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(seedDir, name))
	if err != nil {
		t.Fatal(err)
	}
	f := &seedFile{name: name, text: string(text)}
	for _, document := range policy.SplitDocuments(text) {
		o := &object{}
		if err := yaml.UnmarshalStrict(document, &o.Object); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if o.GetNamespace() == "" && !isNamespace(o) {
			o.SetNamespace(f.namespace())
		}
		f.objects = append(f.objects, o)
	}
	return f
}

// firstGuide cuts the files of the first guide off.
func firstGuide(files []*seedFile) (guide, rest []*seedFile) {
	end := slices.IndexFunc(files, func(f *seedFile) bool { return f.name[:3] != files[0].name[:3] })
	if end < 0 {
		end = len(files)
	}
	return files[:end], files[end:]
}

// checkSeedTables refuses lines that no file uses: they would hide a change.
func checkSeedTables(t *testing.T, files []*seedFile) {
	t.Helper()
	known := map[string]bool{}
	for _, f := range files {
		known[f.name] = true
		for _, o := range f.objects {
			known[f.key(o)] = true
		}
	}
	check := func(key string) {
		if !known[key] {
			t.Errorf("a table names %s, which %s does not have", key, seedDir)
		}
	}
	for key := range seedNamespaces {
		check(key)
	}
	for key := range seedCompletions {
		check(key)
	}
	for key := range seedWarnings {
		check(key)
	}
}

// setAside creates the namespaces of the guides, takes away what other tests
// left in the place of their objects, and puts all of it back at the end. It
// does without kubectl, which adapts the annotations and labels of client-side
// apply to what it is told.
func (s *store) setAside(t *testing.T, files []*seedFile) {
	t.Helper()
	var namespaces, strangers []*object
	t.Cleanup(func() {
		for _, before := range namespaces {
			before.SetResourceVersion("")
			if _, err := s.resource(t, before).Update(context.Background(), before, metav1.UpdateOptions{}); err != nil {
				t.Error(err)
			}
		}
		for _, before := range strangers {
			before.SetResourceVersion("")
			if _, err := s.resource(t, before).Create(context.Background(), before, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	for _, o := range namespacesOf(files) {
		if _, err := s.resource(t, o).Create(t.Context(), o, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
		namespaces = append(namespaces, s.get(t, o))
	}
	for _, o := range objectsOf(files) {
		if held := s.get(t, o); held != nil {
			strangers = append(strangers, held)
		}
	}
	s.clear(t, files)
}

// clear deletes users before what they use. sallyport learns of the first
// deletion a moment after it happened, and holds the second object until then
// (SP405). Namespaces stay: nobody would finish their deletion.
func (s *store) clear(t *testing.T, files []*seedFile) {
	t.Helper()
	for _, o := range slices.Backward(objectsOf(files)) {
		var err error
		_ = wait.PollUntilContextTimeout(context.Background(), 50*time.Millisecond, 5*time.Second, true, func(ctx context.Context) (bool, error) {
			err = s.resource(t, o).Delete(ctx, o.GetName(), metav1.DeleteOptions{})
			return !apierrors.IsForbidden(err), nil
		})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	}
}

// store is what the API server holds, without kubectl in between.
type store struct {
	client dynamic.Interface
	mapper meta.RESTMapper
}

func newStore(t *testing.T) *store {
	t.Helper()
	config := testCluster().Admin.Config
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(client)
	if err != nil {
		t.Fatal(err)
	}
	return &store{client: dynamicClient(t, config), mapper: restmapper.NewDiscoveryRESTMapper(groups)}
}

// resource is where the API server has the object.
func (s *store) resource(t *testing.T, o *object) dynamic.ResourceInterface {
	t.Helper()
	kind := o.GroupVersionKind()
	mapping, err := s.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		t.Fatal(err)
	}
	return s.client.Resource(mapping.Resource).Namespace(o.GetNamespace())
}

// get returns what is held of the object, or nil.
func (s *store) get(t *testing.T, o *object) *object {
	t.Helper()
	held, err := s.resource(t, o).Get(t.Context(), o.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// withoutWebhooks runs f while the API server does not ask sallyport.
func withoutWebhooks(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if err := testGuard().Install(context.Background()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "sallyport completes", func(ctx context.Context) bool { return resolutionOfProbe(ctx) == "DNS" })
	}()
	if err := testGuard().Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "sallyport is not asked", func(ctx context.Context) bool { return resolutionOfProbe(ctx) == "" })
	f()
}

// resolutionOfProbe is "DNS" when sallyport completes objects, "" when nobody
// does, and "refused" as long as sallyport is asked to validate only: the API
// server takes note of the two webhooks one by one.
func resolutionOfProbe(ctx context.Context) string {
	const probe = `{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "probe", "namespace": "default"},
"spec": {"hosts": ["probe.default.api.example.com.invalid"], "ports": [{"number": 443, "name": "https", "protocol": "HTTPS"}]}}`
	answer := testCluster().Admin.Kubectl(ctx, probe, "create", "--dry-run=server", "-o", "jsonpath={.spec.resolution}", "-f", "-")
	if answer.ExitCode != 0 {
		return "refused"
	}
	return answer.Stdout
}

// takeBaseline asks what the API server stores, and has it store nothing.
func (f *seedFile) takeBaseline(t *testing.T) {
	t.Helper()
	answer := f.apply(t, "--dry-run=server", "-o", "json")
	f.baseline, f.warnings = objectsIn(t, answer.Stdout), warningsIn(answer)
	if len(f.baseline) != len(f.objects) {
		t.Fatalf("%s: %d objects became %d", f.name, len(f.objects), len(f.baseline))
	}
}

// judge applies the file with sallyport in place.
func (f *seedFile) judge(t *testing.T, s *store) {
	warnings := slices.DeleteFunc(warningsIn(f.apply(t)), func(w string) bool { return slices.Contains(f.warnings, w) })
	if !slices.Equal(warnings, seedWarnings[f.name]) {
		t.Errorf("warnings %q, want %q", warnings, seedWarnings[f.name])
	}
	for i, o := range f.objects {
		t.Run(o.GetKind()+" "+o.GetName(), func(t *testing.T) { f.compare(t, f.baseline[i], s.get(t, o)) })
	}
}

func (f *seedFile) compare(t *testing.T, want, got *object) {
	if got == nil {
		t.Fatal("it is not stored")
	}
	for _, c := range seedCompletions[f.key(want)] {
		if err := unstructured.SetNestedField(want.Object, c.value, c.path...); err != nil {
			t.Fatal(err)
		}
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(userFields(t, want)), B: difflib.SplitLines(userFields(t, got)),
		FromFile: "without sallyport, completed", ToFile: "with sallyport", Context: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff != "" {
		t.Errorf("the stored object differs:\n%s", diff)
	}
}

// apply runs kubectl apply as the guides do.
func (f *seedFile) apply(t *testing.T, args ...string) cluster.Result {
	t.Helper()
	args = append([]string{"apply", "-f", "-"}, args...)
	if namespace, ok := seedNamespaces[f.name]; ok {
		args = append(args, "-n", namespace)
	}
	answer := testCluster().Admin.Kubectl(t.Context(), f.text, args...)
	if answer.Err != nil || answer.ExitCode != 0 {
		t.Fatalf("kubectl %s of %s: %v\n%s", strings.Join(args, " "), f.name, answer.Err, answer.Stderr)
	}
	return answer
}

// namespace is where kubectl puts what has none.
func (f *seedFile) namespace() string {
	return cmp.Or(seedNamespaces[f.name], "default")
}

func (f *seedFile) key(o *object) string {
	return strings.Join([]string{f.name, o.GetKind(), o.GetNamespace(), o.GetName()}, "/")
}

func isNamespace(o *object) bool { return o.GetKind() == "Namespace" }

// objectsOf returns all objects of the files but Namespaces, each once.
func objectsOf(files []*seedFile) []*object {
	var objects []*object
	seen := map[string]bool{}
	for _, f := range files {
		for _, o := range f.objects {
			id := strings.Join([]string{o.GetKind(), o.GetAPIVersion(), o.GetNamespace(), o.GetName()}, "/")
			if isNamespace(o) || seen[id] {
				continue
			}
			seen[id] = true
			objects = append(objects, o)
		}
	}
	return objects
}

// namespacesOf returns the namespaces of all objects, without labels.
func namespacesOf(files []*seedFile) []*object {
	names := map[string]bool{}
	for _, o := range objectsOf(files) {
		names[o.GetNamespace()] = true
	}
	var namespaces []*object
	for name := range names {
		namespaces = append(namespaces, &object{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
		}})
	}
	return namespaces
}

// objectsIn reads an object or a list as kubectl prints it.
func objectsIn(t *testing.T, text string) []*object {
	t.Helper()
	printed := &object{}
	if err := printed.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	if !printed.IsList() {
		return []*object{printed}
	}
	var objects []*object
	err := printed.EachListItem(func(item runtime.Object) error {
		objects = append(objects, item.(*object))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func warningsIn(answer cluster.Result) []string {
	var warnings []string
	for line := range strings.Lines(answer.Stderr) {
		if text, found := strings.CutPrefix(strings.TrimSpace(line), "Warning: "); found {
			warnings = append(warnings, text)
		}
	}
	return warnings
}

// userFields prints an object without what the API server and kubectl note
// down for themselves.
func userFields(t *testing.T, o *object) string {
	t.Helper()
	fields := o.DeepCopy()
	for _, field := range []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"} {
		unstructured.RemoveNestedField(fields.Object, "metadata", field)
	}
	annotations := fields.GetAnnotations()
	delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
	fields.SetAnnotations(annotations)
	text, err := yaml.Marshal(fields.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
