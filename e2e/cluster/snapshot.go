package cluster

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

const pageSize = 500

// Snapshot returns the resourceVersion of every object in the cluster, keyed
// "group/version/resource/namespace/name" with the preferred version of each
// resource; the core group is written "core", and a cluster-scoped object has
// an empty namespace ("core/v1/namespaces//team-a"). Two equal snapshots prove
// that nothing was written in between.
//
// Some resources are left out, see restless.
func (c *Cluster) Snapshot(ctx context.Context) (map[string]string, error) {
	resources, err := c.listable()
	if err != nil {
		return nil, fmt.Errorf("take a snapshot: %w", err)
	}
	config := rest.CopyConfig(c.Admin.Config)
	config.WarningHandler = rest.NoWarnings{} // deprecated APIs are listed on purpose
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("take a snapshot: %w", err)
	}
	versions := map[string]string{}
	for _, resource := range resources {
		if err := addVersions(ctx, client, resource, versions); err != nil {
			return nil, fmt.Errorf("take a snapshot: list %s: %w", resource, err)
		}
	}
	return versions, nil
}

// restless says which resources change although nobody asks for it.
func restless(resource schema.GroupVersionResource) bool {
	switch resource.GroupResource() {
	case schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}:
		return true // the API server renews its identity every ten seconds
	case schema.GroupResource{Resource: "events"}, schema.GroupResource{Group: "events.k8s.io", Resource: "events"}:
		return true // written in the background by whoever notices something, and expire
	case schema.GroupResource{Resource: "componentstatuses"}:
		return true // not stored: a list of them probes the scheduler and the controller manager
	}
	return false
}

func (c *Cluster) listable() ([]schema.GroupVersionResource, error) {
	client, err := discovery.NewDiscoveryClientForConfig(c.Admin.Config)
	if err != nil {
		return nil, err
	}
	// A group that cannot be discovered is an error and no partial answer: a
	// snapshot that lacks it would compare equal.
	lists, err := discovery.ServerPreferredResources(client)
	if err != nil {
		return nil, err
	}
	found, err := discovery.GroupVersionResources(discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, lists))
	if err != nil {
		return nil, err
	}
	var resources []schema.GroupVersionResource
	for resource := range found {
		resources = append(resources, resource)
	}
	return slices.DeleteFunc(resources, restless), nil
}

func addVersions(ctx context.Context, client metadata.Interface, resource schema.GroupVersionResource, versions map[string]string) error {
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := client.Resource(resource).List(ctx, options)
		if err != nil {
			return err
		}
		for _, object := range page.Items {
			versions[key(resource, object.Namespace, object.Name)] = object.ResourceVersion
		}
		if page.Continue == "" {
			return nil
		}
		options.Continue = page.Continue
	}
}

func key(resource schema.GroupVersionResource, namespace, name string) string {
	group := resource.Group
	if group == "" {
		group = "core"
	}
	return group + "/" + resource.Version + "/" + resource.Resource + "/" + namespace + "/" + name
}
