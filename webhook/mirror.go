package webhook

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"sallyport.dev/policy"
)

// Mirror keeps a Snapshot equal to what the API server holds. It lists and
// watches each kind with a client-go Reflector that writes straight into the
// Snapshot, so that an object is in memory once and only with the fields that
// the rules read.
//
// A watch lags behind the API server, by milliseconds as a rule. When the
// connection is lost the Mirror keeps what it has and catches up later.
type Mirror struct {
	snapshot *policy.Snapshot
	client   dynamic.Interface
	stores   []*store
	log      logr.Logger
}

// NewMirror makes a Mirror of the given kinds. Start fills it.
func NewMirror(client dynamic.Interface, kinds []policy.KindInfo, log logr.Logger) *Mirror {
	m := &Mirror{snapshot: &policy.Snapshot{}, client: client, log: log}
	for _, info := range kinds {
		m.stores = append(m.stores, &store{info: info, snapshot: m.snapshot, log: log})
	}
	return m
}

// World is what the Mirror holds. It is to be asked only when Synced.
func (m *Mirror) World() *policy.Snapshot { return m.snapshot }

// Synced tells whether every kind was listed completely once.
func (m *Mirror) Synced() bool { return len(m.Missing()) == 0 }

// Missing returns the kinds that were not listed yet.
func (m *Mirror) Missing() []policy.Kind {
	var missing []policy.Kind
	for _, s := range m.stores {
		if !s.listed.Load() {
			missing = append(missing, s.info.Kind)
		}
	}
	return missing
}

// NeedLeaderElection is false: every replica answers, so every replica mirrors.
func (m *Mirror) NeedLeaderElection() bool { return false }

// Start mirrors until the context ends.
func (m *Mirror) Start(ctx context.Context) error {
	var running sync.WaitGroup
	for _, s := range m.stores {
		running.Go(func() { m.reflector(s).RunWithContext(ctx) })
	}
	running.Wait()
	return nil
}

func (m *Mirror) reflector(s *store) *cache.Reflector {
	resource := m.client.Resource(schema.GroupVersionResource{Group: s.info.Group, Version: s.info.Versions[0], Resource: s.info.Resource})
	listWatch := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	}
	expected := &unstructured.Unstructured{}
	expected.SetGroupVersionKind(schema.GroupVersionKind{Group: s.info.Group, Version: s.info.Versions[0], Kind: string(s.info.Kind)})
	// A list that is streamed costs the API server less memory (KEP-3157); the
	// wrapper says whether this client can.
	streaming := cache.ToListWatcherWithWatchListSemantics(listWatch, m.client)
	return cache.NewReflectorWithOptions(streaming, expected, s, cache.ReflectorOptions{Name: string(s.info.Kind), Logger: &m.log})
}

// store puts what a Reflector sees into the Snapshot.
type store struct {
	info     policy.KindInfo
	snapshot *policy.Snapshot
	listed   atomic.Bool
	log      logr.Logger
}

var _ cache.ReflectorStore = (*store)(nil)

func (s *store) Add(obj any) error { return s.Update(obj) }

func (s *store) Update(obj any) error {
	o, err := s.object(obj)
	if err != nil {
		return err
	}
	s.snapshot.Put(o)
	return nil
}

func (s *store) Delete(obj any) error {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("%s: watch delivered a %T", s.info.Kind, obj)
	}
	s.snapshot.Delete(policy.Ref{Kind: s.info.Kind, Namespace: u.GetNamespace(), Name: u.GetName()})
	return nil
}

// Replace takes a complete list.
func (s *store) Replace(list []any, _ string) error {
	objects := make([]policy.Object, 0, len(list))
	for _, obj := range list {
		o, err := s.object(obj)
		if err != nil {
			// The API server checked the object against the schema that our types
			// follow, so this is an object from before that schema. To judge nothing
			// because of it would let one object stop every egress change.
			s.log.Error(err, "object cannot be read and is left out of the World", "kind", s.info.Kind)
			continue
		}
		objects = append(objects, o)
	}
	s.snapshot.Replace(s.info.Kind, objects)
	s.listed.Store(true)
	return nil
}

// Resync has nothing to do: the Snapshot is the only consumer.
func (s *store) Resync() error { return nil }

func (s *store) object(obj any) (policy.Object, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("%s: list delivered a %T", s.info.Kind, obj)
	}
	data, err := u.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("%s %s/%s: %w", s.info.Kind, u.GetNamespace(), u.GetName(), err)
	}
	o, err := policy.DecodeForWorld(s.info.Kind, data)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", u.GetNamespace(), u.GetName(), err)
	}
	return o, nil
}

// WorldKinds returns the kinds that a World for these rules must hold: what
// they read and what they judge.
func WorldKinds(rules []*policy.Rule) []policy.KindInfo {
	needed := map[policy.Kind]bool{}
	for _, rule := range rules {
		for _, kind := range append(rule.Reads, rule.Check.Kinds()...) {
			needed[kind] = true
		}
	}
	var kinds []policy.KindInfo
	for _, info := range policy.Kinds() {
		if needed[info.Kind] {
			kinds = append(kinds, info)
		}
	}
	return kinds
}
