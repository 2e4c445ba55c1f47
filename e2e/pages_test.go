package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"sallyport.dev/e2e/cluster"
	"sallyport.dev/e2e/guard"
	"sallyport.dev/policy"
)

// worldBuilder is not asked about: a case's World may hold what sallyport
// would refuse today.
const worldBuilder = "world-builder"

// stage is a cluster of its own, so that a case's World is all that there is.
type stage struct {
	cluster *cluster.Cluster
	builder *cluster.User
}

// TestCases replays every page, and every further case that needs no
// configuration of its own, against a real API server: each object is created
// in a dry run, by a tenant where it belongs to a tenant, and gets the answer
// that policy gives.
func TestCases(t *testing.T) {
	s := newStage(t)
	replayed := 0
	for _, pattern := range []string{"policy/doc/*.txtar", "policy/testdata/SP*/*.txtar"} {
		for _, path := range globRepository(t, pattern) {
			c := parseCase(t, path)
			if _, special := c.Source["config.yaml"]; special {
				continue
			}
			t.Run(c.Name, func(t *testing.T) { s.replay(t, c) })
			replayed++
		}
	}
	if replayed < len(policy.Rules()) {
		t.Errorf("replayed %d cases of %d rules", replayed, len(policy.Rules()))
	}
}

func newStage(t *testing.T) *stage {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	builder, err := c.User(worldBuilder, "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	g, err := guard.Start(context.Background(), c, guard.Options{Binary: shared.binary, Log: log, Ignore: worldBuilder})
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
	return &stage{cluster: c, builder: builder}
}

func globRepository(t *testing.T, pattern string) []string {
	t.Helper()
	repository, err := guard.Repository()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(repository, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %d files", pattern, err, len(paths))
	}
	return paths
}

func parseCase(t *testing.T, path string) *policy.Case {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(filepath.Base(filepath.Dir(path)), strings.TrimSuffix(filepath.Base(path), ".txtar"))
	c, err := policy.ParseCase(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *stage) replay(t *testing.T, c *policy.Case) {
	s.build(t, c.World)
	for _, m := range slices.Concat(c.Bad, c.Good) {
		if m.Object == nil || slices.ContainsFunc(c.World, func(held policy.Manifest) bool { return sameObject(held, m) }) {
			continue // an update cannot be a dry-run create; policy's own tests have it
		}
		settled, err := policy.Settle(policy.Rules(), c.Config, c.Snapshot(), m.Object)
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range versionsOf(c, m) {
			m.APIVersion = version
			s.expect(t, c, m, settled)
		}
	}
	for _, m := range slices.Concat(c.BadDelete, c.GoodDelete) {
		held := c.Snapshot().Get(policy.RefOf(m.Object))
		s.expectDeletion(t, m, policy.ReviewDeletion(policy.Rules(), c.Config, c.Snapshot(), held))
	}
}

// expectDeletion deletes an object of the World in a dry run.
func (s *stage) expectDeletion(t *testing.T, m policy.Manifest, findings []policy.Finding) {
	t.Helper()
	want := answer{denial: policy.Denial(policy.RefOf(m.Object), findings), warnings: policy.Warnings(findings)}
	s.until(t, m, want, func(resource dynamic.ResourceInterface, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		return nil, resource.Delete(t.Context(), object.GetName(), metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}})
	})
}

// versionsOf returns the versions in which an object is replayed: an object of
// a page in every one that is served, one of a further case as it is written.
func versionsOf(c *policy.Case, m policy.Manifest) []string {
	group, _, found := strings.Cut(m.APIVersion, "/")
	if !found || !strings.HasPrefix(c.Name, "doc/") {
		return []string{m.APIVersion}
	}
	var versions []string
	for _, info := range policy.Kinds() {
		if info.Kind == m.Object.Kind() {
			for _, version := range info.Versions {
				versions = append(versions, group+"/"+version)
			}
		}
	}
	return versions
}

func sameObject(a, b policy.Manifest) bool {
	return a.Object != nil && b.Object != nil && policy.RefOf(a.Object) == policy.RefOf(b.Object)
}

// build creates the World of a case and takes it away when the case is done.
// Namespaces stay, because without a controller manager none can be deleted,
// but lose their labels.
func (s *stage) build(t *testing.T, world []policy.Manifest) {
	t.Helper()
	client := dynamicClient(t, s.builder.Config)
	for _, m := range world {
		object := unstructuredOf(t, m)
		if m.Object == nil {
			continue // of no interest to any rule
		}
		resource := resourceOf(t, client, m)
		if m.KindName == "Namespace" {
			s.namespace(t, m.Name)
			relabel(t, resource, m.Name, object.GetLabels())
			t.Cleanup(func() { relabel(t, resource, m.Name, nil) })
			continue
		}
		s.namespace(t, object.GetNamespace())
		if _, err := resource.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
			t.Fatalf("World: %s %s: %v", m.KindName, m.Name, err)
		}
		t.Cleanup(func() {
			if err := resource.Delete(context.Background(), object.GetName(), metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func relabel(t *testing.T, resource dynamic.ResourceInterface, name string, labels map[string]string) {
	t.Helper()
	patch, err := json.Marshal([]map[string]any{{"op": "add", "path": "/metadata/labels", "value": withName(labels, name)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := resource.Patch(context.Background(), name, "application/json-patch+json", patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// withName adds the label that the API server gives every namespace.
func withName(labels map[string]string, name string) map[string]string {
	all := map[string]string{"kubernetes.io/metadata.name": name}
	for k, v := range labels {
		all[k] = v
	}
	return all
}

// namespace makes sure that it exists and returns the user whose it is: the
// platform's admin, or the tenant.
func (s *stage) namespace(t *testing.T, name string) *cluster.User {
	t.Helper()
	user, err := s.cluster.Tenant(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if policy.DefaultConfig().EgressNamespace(name) {
		return s.cluster.Admin
	}
	return user
}

// answer is what the API server says to one request.
type answer struct {
	denial   string
	warnings []string
	object   *unstructured.Unstructured
	schema   bool          // refused by the CRD's schema: sallyport was never asked
	settled  policy.Object // of a wanted answer: what is to be stored
}

// schemaRefuses are the cases with good objects that only a file can hold.
func schemaRefuses() map[string]string {
	return map[string]string{
		"SP201/empty-route": "an HTTPRoute with an empty list of rules",
	}
}

// expect creates the object in a dry run until the answer is the right one:
// sallyport sees the World with a little delay.
func (s *stage) expect(t *testing.T, c *policy.Case, m policy.Manifest, settled policy.Settled) {
	t.Helper()
	want := answer{denial: policy.Denial(policy.RefOf(m.Object), settled.Findings), warnings: policy.Warnings(settled.Findings)}
	want.settled = settled.Object
	got := s.until(t, m, want, func(resource dynamic.ResourceInterface, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if object.GetKind() == "Namespace" {
			return labelled(t, resource, object) // it exists already: see namespace
		}
		return resource.Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	})
	if got.schema && want.denial == "" && schemaRefuses()[c.Name] == "" {
		t.Errorf("%s %s is good, but the API server itself refuses it: %s", m.KindName, m.Name, got.denial)
	}
}

// labelled changes the labels of a Namespace in a dry run.
func labelled(t *testing.T, resource dynamic.ResourceInterface, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": object.GetLabels(), "annotations": object.GetAnnotations()}})
	if err != nil {
		t.Fatal(err)
	}
	return resource.Patch(t.Context(), object.GetName(), types.MergePatchType, patch, metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
}

type request func(dynamic.ResourceInterface, *unstructured.Unstructured) (*unstructured.Unstructured, error)

// until repeats a request until the API server gives the wanted answer.
func (s *stage) until(t *testing.T, m policy.Manifest, want answer, ask request) answer {
	t.Helper()
	var got answer
	var stored string
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 5*time.Second, true, func(context.Context) (bool, error) {
		got = s.ask(t, m, ask)
		stored = storedProblem(t, got.object, want.settled)
		return got.schema || stored == "" && got.denial == want.denial && slices.Equal(got.warnings, want.warnings), nil
	})
	if err != nil {
		t.Errorf("%s %s: the API server says\n%s\n%q\nwant\n%s\n%q\n%s", m.KindName, m.Name, got.denial, got.warnings, want.denial, want.warnings, stored)
	}
	return got
}

func (s *stage) ask(t *testing.T, m policy.Manifest, ask request) answer {
	t.Helper()
	object := unstructuredOf(t, m)
	collector := &warnings{}
	config := rest.CopyConfig(s.owner(t, object).Config)
	config.WarningHandler = collector
	stored, err := ask(resourceOf(t, dynamicClient(t, config), m), object)
	switch {
	case err == nil:
		return answer{object: stored, warnings: collector.all()}
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "denied the request: "):
		_, denial, _ := strings.Cut(err.Error(), "denied the request: ")
		return answer{denial: withoutSuffix(denial, object.GetGenerateName()), warnings: collector.all()}
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return answer{schema: true, denial: err.Error()}
	}
	t.Fatalf("%s %s: %v", m.KindName, m.Name, err)
	return answer{}
}

// owner returns the user who sends the object: the tenant whose namespace it
// is in, or the platform's admin for what no tenant may write.
func (s *stage) owner(t *testing.T, object *unstructured.Unstructured) *cluster.User {
	t.Helper()
	switch object.GetKind() {
	case "Namespace":
		s.namespace(t, object.GetName())
		return s.cluster.Admin
	case "EnvoyFilter":
		s.namespace(t, object.GetNamespace())
		return s.cluster.Admin
	}
	return s.namespace(t, object.GetNamespace())
}

// withoutSuffix takes the random part off a name that the API server made
// (k8s.io/apiserver pkg/storage/names/generate.go).
func withoutSuffix(text, generateName string) string {
	if generateName == "" {
		return text
	}
	return regexp.MustCompile(regexp.QuoteMeta(generateName)+`[a-z0-9]{5}`).ReplaceAllLiteralString(text, generateName)
}

// withoutNulls drops nulls, which the API server stores for some fields only,
// and the one field of our cases that is in no schema.
func withoutNulls(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			if child == nil || key == "fieldOfTheFuture" {
				delete(value, key)
				continue
			}
			value[key] = withoutNulls(child)
		}
	case []any:
		for i := range value {
			value[i] = withoutNulls(value[i])
		}
	}
	return value
}

// storedProblem compares labels and spec of what was stored, if anything was,
// with the settled object's. The API server fills in defaults, but for the
// kinds that have none.
func storedProblem(t *testing.T, got *unstructured.Unstructured, settled policy.Object) string {
	t.Helper()
	if got == nil || settled == nil {
		return ""
	}
	// The decoder of unstructured objects reads integers as such.
	var want unstructured.Unstructured
	if err := want.UnmarshalJSON(settled.Metadata().Raw()); err != nil {
		t.Fatal(err)
	}
	exact := settled.Kind() == policy.ServiceEntryKind || settled.Kind() == policy.DestinationRuleKind
	a, b := withoutNulls(got.Object["spec"]), withoutNulls(want.Object["spec"])
	switch {
	case exact && fmt.Sprint(a) != fmt.Sprint(b) || !holds(a, b):
		return fmt.Sprintf("stored spec\n%v\nwant\n%v", a, b)
	case exact && !reflect.DeepEqual(got.GetLabels(), want.GetLabels()):
		return fmt.Sprintf("stored labels %v, want %v", got.GetLabels(), want.GetLabels())
	}
	return ""
}

// holds tells whether all that is wanted is there.
func holds(got, want any) bool {
	switch want := want.(type) {
	case nil:
		return true
	case map[string]any:
		got, _ := got.(map[string]any)
		for key, value := range want {
			if !holds(got[key], value) {
				return false
			}
		}
		return true
	case []any:
		got, _ := got.([]any)
		if len(got) != len(want) {
			return false
		}
		for i := range want {
			if !holds(got[i], want[i]) {
				return false
			}
		}
		return true
	}
	return fmt.Sprint(got) == fmt.Sprint(want)
}

func unstructuredOf(t *testing.T, m policy.Manifest) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(m.JSON, &object.Object); err != nil {
		t.Fatal(err)
	}
	object.SetAPIVersion(m.APIVersion)
	if object.GetNamespace() == "" && m.KindName != "Namespace" {
		object.SetNamespace("default")
	}
	return object
}

func resourceOf(t *testing.T, client dynamic.Interface, m policy.Manifest) dynamic.ResourceInterface {
	t.Helper()
	gv, err := schema.ParseGroupVersion(m.APIVersion)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range policy.Kinds() {
		if string(info.Kind) != m.KindName || info.Group != gv.Group {
			continue
		}
		resource := client.Resource(gv.WithResource(info.Resource))
		if info.ClusterScoped {
			return resource
		}
		return resource.Namespace(unstructuredOf(t, m).GetNamespace())
	}
	t.Fatalf("no resource for %s %s", m.APIVersion, m.KindName)
	return nil
}

func dynamicClient(t *testing.T, config *rest.Config) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// warnings collects the warnings of one client.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

func (w *warnings) HandleWarningHeader(code int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasPrefix(text, "[SP") { // not those of the API server itself
		w.texts = append(w.texts, text)
	}
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.texts
}
