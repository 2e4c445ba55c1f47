package webhook

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	dynamicfake "k8s.io/client-go/dynamic/fake"

	"sallyport.dev/policy"
)

func readCase(t *testing.T, path string) *policy.Case {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := policy.ParseCase(path, data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var serviceEntries = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "serviceentries"}

func serviceEntry(name, host string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
		"metadata": map[string]any{"name": name, "namespace": "team-a"},
		"spec":     map[string]any{"hosts": []any{host}},
	}}
}

func mirrored(t *testing.T, objects ...runtime.Object) (*Mirror, *dynamicfake.FakeDynamicClient) {
	t.Helper()
	kinds := WorldKinds(policy.Rules())
	lists := map[schema.GroupVersionResource]string{}
	for _, info := range kinds {
		lists[schema.GroupVersionResource{Group: info.Group, Version: info.Versions[0], Resource: info.Resource}] = string(info.Kind) + "List"
	}
	client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, objects...)
	return NewMirror(client, kinds, testr.New(t)), client
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 5*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		return condition(), nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestMirrorFollows: listed, added, changed and deleted objects; and nothing is
// called complete before it was listed.
func TestMirrorFollows(t *testing.T) {
	m, client := mirrored(t, serviceEntry("first", "a.example.com"))
	if got := m.Unlisted(); len(got) != len(WorldKinds(policy.Rules())) {
		t.Fatalf("before Start only %v are missing", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Start(ctx) }()
	defer func() { cancel(); <-ended }()
	eventually(t, "sync", func() bool { return len(m.Unlisted()) == 0 })
	holders := func(h policy.Host) int { return len(m.World().Named(policy.ServiceEntryKind, h)) }
	if holders("a.example.com") != 1 {
		t.Fatal("the listed object is not there")
	}
	if o := m.World().Get(policy.Ref{Kind: policy.ServiceEntryKind, Namespace: "team-a", Name: "first"}); o.Metadata().Raw() != nil {
		t.Error("the World keeps the JSON of its objects")
	}

	entries := client.Resource(serviceEntries).Namespace("team-a")
	if _, err := entries.Create(ctx, serviceEntry("second", "a.example.com"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "create", func() bool { return holders("a.example.com") == 2 })
	if _, err := entries.Update(ctx, serviceEntry("second", "b.example.com"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "update", func() bool { return holders("a.example.com") == 1 && holders("b.example.com") == 1 })
	if err := entries.Delete(ctx, "second", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "delete", func() bool { return holders("b.example.com") == 0 })
}

// TestUnreadableObject: one object that cannot be read neither stops the
// Mirror nor hides the others.
func TestUnreadableObject(t *testing.T) {
	broken := serviceEntry("broken", "a.example.com")
	broken.Object["spec"] = map[string]any{"hosts": "not a list"}
	m, _ := mirrored(t, broken, serviceEntry("sound", "b.example.com"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Start(ctx) }()
	defer func() { cancel(); <-ended }()
	eventually(t, "sync", func() bool { return len(m.Unlisted()) == 0 })
	if got := m.World().Len(policy.ServiceEntryKind); got != 1 || m.World().Get(policy.Ref{Kind: policy.ServiceEntryKind, Namespace: "team-a", Name: "sound"}) == nil {
		t.Errorf("the World holds %d ServiceEntries", got)
	}
}

func TestWorldKinds(t *testing.T) {
	rules := []*policy.Rule{{Reads: []policy.Kind{policy.NamespaceKind, policy.GatewayKind}}, {Reads: []policy.Kind{policy.GatewayKind}}}
	var got []policy.Kind
	for _, info := range WorldKinds(rules) {
		got = append(got, info.Kind)
	}
	if want := []policy.Kind{policy.GatewayKind, policy.NamespaceKind}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
