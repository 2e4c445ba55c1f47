package policy

import (
	"fmt"
	"strings"
	"testing"
)

// summary writes manifests as "document/item kind namespace/name", with a "?"
// for kinds that sallyport does not read.
func summary(manifests []Manifest) string {
	var all []string
	for _, m := range manifests {
		s := fmt.Sprintf("%d/%s %s ", m.Doc, m.Item, m.KindName)
		if m.Object == nil {
			s += "?"
		} else {
			s += strings.TrimPrefix(RefOf(m.Object).String(), m.KindName+" ")
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

func TestReadManifests(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"nothing", "", ""},
		{"only comments", "# a\n---\n# b\n---\n\n", ""},
		{"one", "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a, namespace: team-a}\n", "0/ ServiceEntry team-a/a"},
		{
			"default namespace, not for Namespaces",
			"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n",
			"0/ ServiceEntry default/a; 1/ Namespace b",
		},
		{
			"comments and empty documents count as documents",
			"# head\n---\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n--- # next\n# c\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: d}\n",
			"2/ Namespace b; 4/ Namespace d",
		},
		{
			"line ends of Windows",
			"apiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: a}\r\n---\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: b}\r\n",
			"0/ Namespace a; 1/ Namespace b",
		},
		{"JSON, indented by tabs", "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Namespace\",\n\t\"metadata\": {\"name\": \"a\"}\n}\n", "0/ Namespace a"},
		{"byte order mark", "\ufeffapiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", "0/ Namespace a"},
		{"other kinds", "apiVersion: v1\nkind: ConfigMap\ndata: {kind: ServiceEntry}\n---\napiVersion: networking.istio.io/v1\nkind: Gateway\n", "0/ ConfigMap ?; 1/ Gateway ?"},
		{"a later version of another kind", "apiVersion: apps/v9\nkind: Deployment\n", "0/ Deployment ?"},
		{
			"List",
			"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: b}}\n",
			"0/items[0] Namespace a; 0/items[1] ServiceEntry default/b",
		},
		{
			"List of one kind",
			"apiVersion: networking.istio.io/v1\nkind: ServiceEntryList\nitems:\n- {apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: b}}\n",
			"0/items[0] ServiceEntry default/b",
		},
		{
			"List under any name, for to kubectl the items make it one",
			"apiVersion: v1\nkind: ConfigMap\nitems:\n- {apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: b}}\n",
			"0/items[0] ServiceEntry default/b",
		},
		{
			"List of Lists",
			"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: v1, kind: List, items: []}\n",
			"0/items[0].items[0] Namespace a",
		},
		{"empty List", "apiVersion: v1\nkind: List\nitems: []\n", ""},
		{"anchors", "apiVersion: v1\nkind: Namespace\nmetadata: {name: &n a, labels: {x: *n}}\n", "0/ Namespace a"},
		{"dashes inside of text", "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    ---\n    kind: x\n", "0/ ConfigMap ?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			manifests, err := ReadManifests([]byte(c.file), "default")
			if got := summary(manifests); err != nil || got != c.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestReadManifestsErrors(t *testing.T) {
	const se = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
	for file, want := range map[string]string{
		"a\n":                                  "document 1: not a Kubernetes object: it has no fields",
		"- a\n":                                "document 1: not a Kubernetes object",
		"a: b\n":                               "document 1: not a Kubernetes object: it needs apiVersion and kind",
		"apiVersion: v1\n":                     "it needs apiVersion and kind",
		"kind: Namespace\n":                    "it needs apiVersion and kind",
		"apiVersion: v1\nkind: [x]\n":          "field kind",
		"apiVersion: 1\nkind: x\n":             "field apiVersion",
		se + "---\n" + se + "---\n- x\n":       "document 3: not a Kubernetes object",
		se + "metadata: {name: 1}\n":           "metadata.name",
		se + "metadata:\n- name: x\n":          "metadata",
		se + "spec: {hosts: x}\n":              "document 1: ServiceEntry cannot be read: cannot unmarshal string into field spec.hosts",
		se + "spec: {hosts: [1]}\n":            "spec.hosts",
		se + "spec: {ports: [{number: -1}]}\n": "spec.ports.number",
		se + "spec: [x]\n":                     "spec",

		// What could be read in two ways.
		se + "kind: ConfigMap\n":                               `key "kind" already set`,
		se + "spec: {hosts: [a], hosts: [b]}\n":                `key "hosts" already set`,
		se + "Kind: ConfigMap\n":                               `it has the field "Kind"; write "kind"`,
		se + "\u212aind: ConfigMap\n":                          `it has the field "` + "\u212a" + `ind"; write "kind"`,
		se + "Items: []\n":                                     `write "items"`,
		se + "APIVERSION: v1\n":                                `write "apiVersion"`,
		se + "...\n" + se:                                      "document 1: there is more after its end",
		se + "--- {kind: x}\n":                                 "document 1: there is more after its end",
		`{"apiVersion":"v1","kind":"A"}{"apiVersion":"v1"}`:    "document 1: there is more after its end",
		`{"apiVersion":"v1","kind":"A","kind":"ServiceEntry"}`: `key "kind" already set`,

		// Versions with a schema that we do not know.
		"apiVersion: networking.istio.io/v2\nkind: ServiceEntry\n":          `document 1: ServiceEntry of apiVersion "networking.istio.io/v2" cannot be judged; write it as networking.istio.io/v1`,
		"apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: HTTPRoute\n": "write it as gateway.networking.k8s.io/v1",
		"apiVersion: networking.istio.io/\nkind: ServiceEntry\n":            "cannot be judged",
		"apiVersion: v2\nkind: Namespace\n":                                 "write it as v1",
		"apiVersion: networking.istio.io/v1/x\nkind: ServiceEntry\n":        "cannot be judged",

		// Lists.
		"apiVersion: v1\nkind: List\nitems: {}\n":                                                          "items",
		"apiVersion: v1\nkind: List\nitems: [x]\n":                                                         "items[0]: not a Kubernetes object",
		"apiVersion: v1\nkind: List\nitems:\n- {kind: Namespace}\n":                                        "items[0]: not a Kubernetes object: it needs apiVersion and kind",
		"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: networking.istio.io/v2, kind: ServiceEntry}\n": "items[0]: ServiceEntry of apiVersion",

		"a: [\n":   "document 1: ",
		"\ta: b\n": "document 1: ",
		"a: *b\n":  "document 1: ",
		"\x00":     "document 1: ",
	} {
		manifests, err := ReadManifests([]byte(file), "default")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\ngot  %s, %v\nwant %s", file, summary(manifests), err, want)
		}
	}
}

// TestReadManifestsKeepsTheObject: what a Manifest has of the object is what
// was written, a default namespace not among it.
func TestReadManifestsKeepsTheObject(t *testing.T) {
	manifests, err := ReadManifests([]byte("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a, uid: 7}\nspec: {future: 9007199254740993, hosts: [x]}\n"), "team-a")
	if err != nil {
		t.Fatal(err)
	}
	m := manifests[0]
	want := `{"apiVersion":"networking.istio.io/v1","kind":"ServiceEntry","metadata":{"name":"a","uid":7},"spec":{"future":9007199254740993,"hosts":["x"]}}`
	if string(m.JSON) != want || string(m.Object.Metadata().Raw()) != want {
		t.Errorf("JSON is %s, Raw %s", m.JSON, m.Object.Metadata().Raw())
	}
	if m.Namespace != "" || m.Object.Metadata().Namespace != "team-a" || m.Name != "a" || m.APIVersion != "networking.istio.io/v1" {
		t.Errorf("got %+v", m)
	}
}
