package webhook

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
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

// World is what the Mirror holds. It is to be asked only when nothing is Missing.
func (m *Mirror) World() *policy.Snapshot { return m.snapshot }

// Unlisted returns the kinds that were neither listed yet nor found to be not
// installed. Empty means that there is nothing to wait for.
func (m *Mirror) Unlisted() []policy.Kind {
	var kinds []policy.Kind
	for _, s := range m.stores {
		if s.state.Load() == unlisted {
			kinds = append(kinds, s.info.Kind)
		}
	}
	return kinds
}

// Missing returns the kinds that have to be listed before an object of this
// kind is judged. A kind whose CRD is not installed has no objects; but once
// one is sent for judgement it was installed a moment ago.
func (m *Mirror) Missing(judged policy.Kind) []policy.Kind {
	kinds := m.Unlisted()
	for _, s := range m.stores {
		if s.info.Kind == judged && s.state.Load() == notInstalled {
			kinds = append(kinds, judged)
		}
	}
	return kinds
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
			list, err := resource.List(ctx, options)
			return list, s.note(err)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			watcher, err := resource.Watch(ctx, options)
			return watcher, s.note(err)
		},
	}
	expected := &unstructured.Unstructured{}
	expected.SetGroupVersionKind(schema.GroupVersionKind{Group: s.info.Group, Version: s.info.Versions[0], Kind: string(s.info.Kind)})
	// A list that is streamed costs the API server less memory (KEP-3157); the
	// wrapper says whether this client can.
	streaming := cache.ToListWatcherWithWatchListSemantics(listWatch, m.client)
	return cache.NewReflectorWithOptions(streaming, expected, s, cache.ReflectorOptions{
		Name: string(s.info.Kind), Logger: &m.log, Backoff: retries(),
	})
}

// retries are faster than client-go's, which reach a minute: a CRD that was
// just installed, or an API server that is back, is noticed within seconds.
func retries() *wait.Backoff {
	return &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 1.5, Jitter: 0.5, Steps: 8, Cap: 5 * time.Second}
}

// The states of a kind.
const (
	unlisted     int32 = iota // nothing is known
	notInstalled              // the API server does not serve it
	listed                    // all its objects are in the Snapshot
)

// store puts what a Reflector sees into the Snapshot.
type store struct {
	info     policy.KindInfo
	snapshot *policy.Snapshot
	state    atomic.Int32
	log      logr.Logger
}

var _ cache.ReflectorStore = (*store)(nil)

// note takes notice of a kind that is not installed. What was listed before
// stays: an API server that starts may not serve it for a moment.
func (s *store) note(err error) error {
	if apierrors.IsNotFound(err) {
		s.state.CompareAndSwap(unlisted, notInstalled)
	}
	return err
}

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
	s.state.Store(listed)
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
