package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
)

type crd = apiextensionsv1.CustomResourceDefinition

func readCRDs(files []string) ([]crd, error) {
	var all []crd
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read CRDs: %w", err)
		}
		some, err := decodeCRDs(content)
		if err != nil {
			return nil, fmt.Errorf("read CRDs from %s: %w", filepath.Base(file), err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// decodeCRDs skips documents that are no CRDs: the Gateway API has a
// ValidatingAdmissionPolicy and a Kustomization next to them.
func decodeCRDs(content []byte) ([]crd, error) {
	var found []crd
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		var next crd
		err := decoder.Decode(&next)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if next.Kind == "CustomResourceDefinition" {
			found = append(found, next)
		}
	}
}

func (c *Cluster) createCRDs(ctx context.Context) error {
	client, err := apiextensions.NewForConfig(c.Admin.Config)
	if err != nil {
		return fmt.Errorf("make a client for CRDs: %w", err)
	}
	for i := range c.crds {
		if _, err := client.CustomResourceDefinitions().Create(ctx, &c.crds[i], metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create CRD %s: %w", c.crds[i].Name, err)
		}
	}
	return nil
}

// waitServed waits until discovery lists every served version of every CRD,
// which it does only when the CRD is established, see DiscoveryController in
// k8s.io/apiextensions-apiserver/pkg/apiserver.
func (c *Cluster) waitServed(ctx context.Context) error {
	client, err := discovery.NewDiscoveryClientForConfig(c.Admin.Config)
	if err != nil {
		return fmt.Errorf("make a discovery client: %w", err)
	}
	var missing []schema.GroupVersionResource
	var lastErr error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, settleTimeout, true, func(context.Context) (bool, error) {
		missing, lastErr = c.unserved(client)
		return lastErr == nil && len(missing) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait until the CRDs are served: %w, missing %v", errors.Join(err, lastErr), missing)
	}
	return nil
}

func (c *Cluster) unserved(client discovery.ServerResourcesInterface) ([]schema.GroupVersionResource, error) {
	_, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return nil, err
	}
	served, err := discovery.GroupVersionResources(lists)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(servedVersions(c.crds), func(r schema.GroupVersionResource) bool {
		_, found := served[r]
		return found
	}), nil
}

func servedVersions(crds []crd) []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	for _, c := range crds {
		for _, version := range c.Spec.Versions {
			if version.Served {
				all = append(all, schema.GroupVersionResource{
					Group: c.Spec.Group, Version: version.Name, Resource: c.Spec.Names.Plural,
				})
			}
		}
	}
	return all
}
