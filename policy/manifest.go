package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
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
		if secondDocument(text) > 0 {
			return nil, fmt.Errorf("document %d: there is more after its end; put \"---\" alone on a line between documents", doc+1)
		}
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
	head, err := readHead(data)
	if err != nil {
		return nil, fmt.Errorf("not a Kubernetes object: %w", err)
	}
	if head.Items != nil { // a List of any kind, as kubectl sees it
		var all []Manifest
		for i, member := range head.Items {
			found, err := readManifest(doc, item.Key("items").Index(i), member, defaultNamespace)
			if err != nil {
				return nil, fmt.Errorf("items[%d]: %w", i, err)
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

// readHead refuses what another reader, for whom case does not matter, would
// read as another kind or another list.
func readHead(data []byte) (head typeAndName, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return head, errors.New("it has no fields")
	}
	for member := range members {
		for _, name := range []string{"apiVersion", "kind", "metadata", "items"} {
			if member != name && strings.EqualFold(member, name) {
				return head, fmt.Errorf("it has the field %q; write %q", member, name)
			}
		}
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &head); err != nil {
		return head, plain(err)
	}
	if head.APIVersion == "" || head.Kind == "" {
		return head, errors.New("it needs apiVersion and kind")
	}
	return head, nil
}

// secondDocument returns the line of a second document in YAML text, which
// would go unread, and 0 when there is none.
func secondDocument(text []byte) int {
	decoder := yamlv3.NewDecoder(bytes.NewReader(text))
	var first, second yamlv3.Node
	if decoder.Decode(&first) != nil { // empty, or reported by who reads it
		return 0
	}
	if err := decoder.Decode(&second); errors.Is(err, io.EOF) {
		return 0
	}
	return max(second.Line, 1)
}

func setDefaultNamespace(o Object, namespace string) {
	if m := o.Metadata(); m.Namespace == "" && o.Kind() != NamespaceKind {
		m.Namespace = namespace
	}
}
