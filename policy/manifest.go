package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"
)

// Manifest is one object of a YAML or JSON file.
type Manifest struct {
	// Doc is the index of its document in SplitDocuments, and Item the path to
	// it inside of the document: empty, or through the items of a List.
	Doc  int
	Item Path
	// APIVersion, KindName, Namespace and Name are as written.
	APIVersion, KindName, Namespace, Name string
	// JSON is the object.
	JSON []byte
	// Object is nil for a kind that sallyport does not read.
	Object Object
}

type typeAndName struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// ReadManifests reads the documents of a YAML or JSON file as kubectl does,
// Lists taken apart. Objects without a namespace get the given one. The error
// says which document is meant, counted from 1.
func ReadManifests(file []byte, defaultNamespace string) ([]Manifest, error) {
	var manifests []Manifest
	for doc, text := range SplitDocuments(file) {
		data, err := yaml.YAMLToJSONStrict(text)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", doc+1, err)
		}
		if bytes.Equal(data, []byte("null")) { // nothing but comments
			continue
		}
		found, err := readManifest(doc, nil, data, defaultNamespace)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", doc+1, err)
		}
		manifests = append(manifests, found...)
	}
	return manifests, nil
}

func readManifest(doc int, item Path, data []byte, defaultNamespace string) ([]Manifest, error) {
	var head typeAndName
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("not a Kubernetes object: %w", plain(err))
	}
	if head.APIVersion == "" || head.Kind == "" {
		return nil, errors.New("not a Kubernetes object: it needs apiVersion and kind")
	}
	if head.APIVersion == "v1" && head.Kind == "List" {
		var all []Manifest
		for i, member := range head.Items {
			found, err := readManifest(doc, item.Key("items").Index(i), member, defaultNamespace)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
	m := Manifest{
		Doc: doc, Item: item, JSON: data,
		APIVersion: head.APIVersion, KindName: head.Kind, Namespace: head.Metadata.Namespace, Name: head.Metadata.Name,
	}
	kind, known, err := KindOf(head.APIVersion, head.Kind)
	if err != nil || !known {
		return []Manifest{m}, err
	}
	if m.Object, err = Decode(kind, data); err != nil {
		return nil, err
	}
	setDefaultNamespace(m.Object, defaultNamespace)
	return []Manifest{m}, nil
}

func setDefaultNamespace(o Object, namespace string) {
	if m := o.Metadata(); m.Namespace == "" && o.Kind() != NamespaceKind {
		m.Namespace = namespace
	}
}
