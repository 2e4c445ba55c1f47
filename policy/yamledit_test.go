package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
	kyaml "sigs.k8s.io/yaml"
)

// editYAML makes the edits and checks what must hold for all.
func editYAML(t *testing.T, document string, edits ...Edit) string {
	t.Helper()
	original := []byte(document)
	edited, err := EditYAML(original, edits)
	if err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	if string(original) != document {
		t.Errorf("the input was modified: %s", original)
	}
	checkEdited(t, original, edits, edited)
	return string(edited)
}

// checkEdited: the document reads as Apply's result, and once edited, there is
// nothing more to edit.
func checkEdited(t *testing.T, document []byte, edits []Edit, edited []byte) {
	t.Helper()
	before, err := kyaml.YAMLToJSONStrict(document)
	if err != nil {
		t.Fatal(err)
	}
	want, patch, err := Apply(before, edits)
	if err != nil {
		t.Fatal(err)
	}
	got, err := kyaml.YAMLToJSONStrict(edited)
	if err != nil {
		t.Fatalf("%v in\n%s", err, edited)
	}
	if !sameJSON(t, got, want) {
		t.Errorf("%s\nwith %v is\n%s\nwhich reads as %s\nwant %s", document, edits, edited, got, want)
	}
	if len(patch) == 0 && !bytes.Equal(document, edited) {
		t.Errorf("%s\nchanges without a reason:\n%s", document, edited)
	}
	if json.Valid(document) && !json.Valid(edited) {
		t.Errorf("JSON became something else:\n%s", edited)
	}
}

func TestEditYAML(t *testing.T) {
	host, label := At("spec", "host"), At("metadata", "labels").Key("istio.io/use-waypoint")
	for _, c := range []struct {
		name, document string
		edits          []Edit
		want           string
	}{
		// Members of block mappings.
		{
			"a member goes to the end of its mapping",
			"metadata:\n  labels:\n    app: x\n  name: a\nspec: {}\n", []Edit{{label, "w"}},
			"metadata:\n  labels:\n    app: x\n    istio.io/use-waypoint: w\n  name: a\nspec: {}\n",
		},
		{
			"missing parents",
			"metadata:\n  name: a\nspec: {}\n", []Edit{{label, "w"}},
			"metadata:\n  name: a\n  labels:\n    istio.io/use-waypoint: w\nspec: {}\n",
		},
		{
			"two edits with one missing parent",
			"metadata:\n  name: a\n", []Edit{{label, "w"}, {At("metadata", "labels", "b"), "x"}},
			"metadata:\n  name: a\n  labels:\n    b: x\n    istio.io/use-waypoint: w\n",
		},
		{
			"before the comments that follow",
			"spec:\n  a: 1 # one\n  # after\n\n# root\nkind: x\n", []Edit{{host, "h"}},
			"spec:\n  a: 1 # one\n  host: h\n  # after\n\n# root\nkind: x\n",
		},
		{
			"the last line has no end",
			"spec:\n  a: 1", []Edit{{host, "h"}},
			"spec:\n  a: 1\n  host: h",
		},
		{
			"after a literal, in which # begins no comment",
			"spec:\n  a: |\n    text\n    # text, too\n\n  # comment\nkind: x\n", []Edit{{host, "h"}},
			"spec:\n  a: |\n    text\n    # text, too\n  host: h\n\n  # comment\nkind: x\n",
		},
		{
			"after a literal that keeps its blank lines",
			"spec:\n  a: |+\n    text\n\n\nkind:   x\n", []Edit{{host, "h"}},
			"spec:\n  a: |+\n    text\n\n\n  host: h\nkind:   x\n",
		},
		{
			"after a folded text at the end of the document",
			"spec:\n  a: >-\n    long\n      text", []Edit{{host, "h"}},
			"spec:\n  a: >-\n    long\n      text\n  host: h",
		},
		{
			"after a plain text on several lines",
			"spec:\n  a: long\n    text\n\n    more # c\nkind: x\n", []Edit{{host, "h"}},
			"spec:\n  a: long\n    text\n\n    more # c\n  host: h\nkind: x\n",
		},
		{
			"after quoted text on several lines, with quotes in it",
			"spec:\n  a: \"long \\\" # text\n\n    more\" # c\n", []Edit{{host, "h"}},
			"spec:\n  a: \"long \\\" # text\n\n    more\" # c\n  host: h\n",
		},
		{
			"after a list as far left as its key",
			"spec:\n  a:\n  - x: 1\n    y: 2\n  -\n    x: 3\n  - - 4\nkind: x\n", []Edit{{host, "h"}},
			"spec:\n  a:\n  - x: 1\n    y: 2\n  -\n    x: 3\n  - - 4\n  host: h\nkind: x\n",
		},
		{
			"after a flow list on several lines",
			"spec:\n  a: [1, # [\n    '2]',\n  3] # c\nkind: x\n", []Edit{{host, "h"}},
			"spec:\n  a: [1, # [\n    '2]',\n  3] # c\n  host: h\nkind: x\n",
		},
		{
			"after null, written as nothing",
			"spec:\n  a:\n  b: # c\nkind: x\n", []Edit{{host, "h"}},
			"spec:\n  a:\n  b: # c\n  host: h\nkind: x\n",
		},
		{
			"into an element of a list",
			"l:\n- a: 1\n  b: 2\n# c\n- a: 3\n", []Edit{{At("l").Index(0).Key("c"), "x"}, {At("l").Index(1).Key("c"), "z"}},
			"l:\n- a: 1\n  b: 2\n  c: x\n# c\n- a: 3\n  c: z\n",
		},
		{
			"into a deep one and its parent, both ending on one line",
			"a:\n  b:\n    c: 1\n", []Edit{{At("a", "x"), "1"}, {At("a", "b", "d"), "2"}, {At("z"), "3"}},
			"a:\n  b:\n    c: 1\n    d: \"2\"\n  x: \"1\"\nz: \"3\"\n",
		},
		{
			"values of every kind, quoted where they must be",
			"spec:\n  a: 1\n", []Edit{{At("spec", "b"), true}, {At("spec", "c"), []any{map[string]any{"d": "true", "e": "x: y"}}}, {At("spec", "f"), ""}, {At("spec", "%%g"), "%h"}},
			"spec:\n  a: 1\n  '%%g': '%h'\n  b: true\n  c:\n    - d: \"true\"\n      e: 'x: y'\n  f: \"\"\n",
		},
		{
			"separator and comment at the top",
			"--- # next\n# head\nspec:\n  a: 1\n", []Edit{{host, "h"}},
			"--- # next\n# head\nspec:\n  a: 1\n  host: h\n",
		},
		{
			"byte order mark and document end",
			"\ufeffspec: {host: a}\n...\n", []Edit{{host, "h"}},
			"\ufeffspec: {host: h}\n...\n",
		},
		{
			"line ends of Windows",
			"---\r\nspec:\r\n  a: |\r\n    x\r\n  b: 1 # c\r\n", []Edit{{host, "h"}, {At("spec", "l"), []any{"x"}}},
			"---\r\nspec:\r\n  a: |\r\n    x\r\n  b: 1 # c\r\n  host: h\r\n  l:\r\n    - x\r\n",
		},

		// Scalars in the place of scalars.
		{"plain", "spec:\n  host:   a   # c\n", []Edit{{host, "team-a/app1"}}, "spec:\n  host:   team-a/app1   # c\n"},
		{"plain, to be quoted", "spec:\n  host: a # c\n", []Edit{{host, "a: b"}}, "spec:\n  host: 'a: b' # c\n"},
		{"plain, which would be another type", "spec:\n  host: a\n", []Edit{{host, "1"}}, "spec:\n  host: \"1\"\n"},
		{"number", "spec:\n  host: 80 # c\n", []Edit{{host, 443.0}}, "spec:\n  host: 443 # c\n"},
		{"double quotes stay", "spec:\n  host: \"a\\tb\\\"\" # c\n", []Edit{{host, "x<\"y"}}, "spec:\n  host: \"x<\\\"y\" # c\n"},
		{"single quotes stay", "spec:\n  host: 'it''s' # c\n", []Edit{{host, "isn't"}}, "spec:\n  host: 'isn''t' # c\n"},
		{"quoted text on several lines", "spec:\n  host: \"a\n    b\" # c\n", []Edit{{host, "h"}}, "spec:\n  host: \"h\" # c\n"},
		{"plain text on several lines", "spec:\n  host: a\n    b # c\n", []Edit{{host, "h"}}, "spec:\n  host: h # c\n"},
		{"null", "spec:\n  host: null # c\n", []Edit{{host, "h"}}, "spec:\n  host: h # c\n"},
		{"nothing", "spec:\n  host: # c\n  b: 1\n", []Edit{{host, "h"}}, "spec:\n  host: h # c\n  b: 1\n"},
		{"quoted key", "\"spec\":\n  'host': a\n", []Edit{{host, "h"}}, "\"spec\":\n  'host': h\n"},
		{"with an anchor that nothing refers to", "spec:\n  host: &h a # c\n", []Edit{{host, "h"}}, "spec:\n  host: &h h # c\n"},
		{"with a tag", "spec:\n  host: !!str a # c\n", []Edit{{host, "h"}}, "spec:\n  host: !!str h # c\n"},
		{"an alias", "a: &h a\nspec:\n  host: *h # c\n", []Edit{{host, "h"}}, "a: &h a\nspec:\n  host: h # c\n"},
		{"behind letters of several bytes", "spec: {\u00fc\u20ac: \U0001f600, host: a}\n", []Edit{{host, "h"}}, "spec: {\u00fc\u20ac: \U0001f600, host: h}\n"},
		{"in a list", "l:\n- a # c\n- b\n", []Edit{{At("l").Index(0), "x"}}, "l:\n- x # c\n- b\n"},
		{"nothing in a list", "l:\n-\n- b\n", []Edit{{At("l").Index(0), "x"}}, "l:\n- x\n- b\n"},
		{"the same value", "spec:\n  host:   \"a\"\n", []Edit{{host, "a"}}, "spec:\n  host:   \"a\"\n"},
		{"the last of several values for one field", "spec:\n  host: a\n", []Edit{{host, "b"}, {host, "c"}}, "spec:\n  host: c\n"},
		{"edits that build on each other", "spec:\n  a: 1\n", []Edit{{At("spec", "l"), []any{map[string]any{}}}, {At("spec", "l").Index(0).Key("b"), "x"}}, "spec:\n  a: 1\n  l:\n    - b: x\n"},

		// Other values in the place of others.
		{"a mapping for nothing", "metadata:\n  labels: # none\n  name: a\n", []Edit{{label, "w"}}, "metadata:\n  labels: # none\n    istio.io/use-waypoint: w\n  name: a\n"},
		{"a mapping for null", "metadata:\n  labels: ~\n", []Edit{{label, "w"}}, "metadata:\n  labels:\n    istio.io/use-waypoint: w\n"},
		{"a mapping for null, in flow style", "metadata: {labels: null}\n", []Edit{{label, "w"}}, "metadata: {labels: {istio.io/use-waypoint: w}}\n"},
		{"a mapping for the null of a list", "l:\n- null\n", []Edit{{At("l").Index(0).Key("a"), "x"}}, "l:\n- {a: x}\n"},
		{"a list for an empty one", "spec:\n  l: [] # c\n", []Edit{{At("spec", "l"), []any{"x", "z"}}}, "spec:\n  l: [x, z] # c\n"},
		{"a list for a block list", "spec:\n  l:\n  - a\n  - b\n  c: 1\n", []Edit{{At("spec", "l"), []any{"x"}}}, "spec:\n  l:\n    - x\n  c: 1\n"},
		{"a text for a block mapping", "spec:\n  host:\n    a: 1\n  c: 1\n", []Edit{{host, "h"}}, "spec:\n  host: h\n  c: 1\n"},
		{"a text for a literal", "spec:\n  host: |-\n    a\n    # b\n  c: 1\n", []Edit{{host, "h"}}, "spec:\n  host: h\n  c: 1\n"},
		{"a text for a literal at the end", "spec:\n  host: |-\n    a", []Edit{{host, "h"}}, "spec:\n  host: h"},

		// Flow style.
		{"empty mapping", "metadata:\n  labels: {}  # none\nspec:\n- a\n", []Edit{{label, "w"}}, "metadata:\n  labels: {istio.io/use-waypoint: w}  # none\nspec:\n- a\n"},
		{"empty flow mapping with a comment inside", "spec: { # c\n}\n", []Edit{{host, "h"}}, "spec: {host: h # c\n}\n"},
		{"flow mapping that ends in a comment", "spec: {a: 1 # c\n}\n", []Edit{{host, "h"}}, "spec: {a: 1,\nhost: h # c\n}\n"},
		{"flow mapping", "spec: {a: 1, b: [x, '}']} # c\n", []Edit{{host, "h"}}, "spec: {a: 1, b: [x, '}'], host: h} # c\n"},
		{"flow mapping with spaces inside", "spec: { a: it's }\n", []Edit{{host, "h"}}, "spec: { a: it's, host: h }\n"},
		{"text that ends a flow scalar", "spec: {host: a}\n", []Edit{{host, "a, b"}}, "spec: {host: 'a, b'}\n"},
		{
			"flow mapping on several lines, with the last comma",
			"spec: {\n  a: 1,\n  b: 2,\n}\n", []Edit{{host, "h"}, {At("spec", "c"), true}},
			"spec: {\n  a: 1,\n  b: 2,\n  c: true,\n  host: h\n}\n",
		},

		// JSON stays JSON.
		{"JSON", `{"spec":{"host":"a<b\u00e9"}}`, []Edit{{host, "h<"}, {At("spec", "a"), true}}, `{"spec":{"host":"h<", "a": true}}`},
		{
			"indented JSON",
			"{\n\t\"spec\": {\n\t\t\"a\": [\n\t\t\t1\n\t\t]\n\t}\n}\n", []Edit{{At("spec", "l"), []any{map[string]any{"b": "x"}}}, {host, "h"}},
			"{\n\t\"spec\": {\n\t\t\"a\": [\n\t\t\t1\n\t\t],\n\t\t\"host\": \"h\",\n\t\t\"l\": [{\"b\":\"x\"}]\n\t}\n}\n",
		},
		{"JSON after a separator", "---\n{\"spec\": {}}\n", []Edit{{host, "h"}}, "---\n{\"spec\": {\"host\": \"h\"}}\n"},
		{"removal from JSON", `{"spec":{"a":1,"b":2}}`, []Edit{{At("spec", "a"), nil}}, `{"spec":{"b":2}}`},
		{"removal of the only member from JSON", `{"spec":{"a":1},"b":2}`, []Edit{{At("spec", "a"), nil}}, `{"spec":{},"b":2}`},

		// Removals.
		{"a member", "spec:\n  # c\n  a: 1\n  b:\n  - x # y\n  # d\n  c: 3\n", []Edit{{At("spec", "b"), nil}}, "spec:\n  # c\n  a: 1\n  # d\n  c: 3\n"},
		{"the last line", "spec:\n  a: 1\n  b: 2", []Edit{{At("spec", "b"), nil}}, "spec:\n  a: 1\n"},
		{"one after the other", "spec:\n  a: 1\n  b: 2 # c\nx: {a: 1, b: 1}\n", []Edit{{At("spec", "a"), nil}, {At("spec", "b"), nil}, {At("x", "a"), nil}, {At("x", "b"), nil}}, "spec: {} # c\nx: {}\n"},
		{"the only member", "spec:\n  a: 1\nb: 1\n", []Edit{{At("spec", "a"), nil}}, "spec: {}\nb: 1\n"},
		{"the first of a flow mapping", "spec: { a: [1, 2], b: 2 } # c\nx:   1\n", []Edit{{At("spec", "a"), nil}}, "spec: { b: 2 } # c\nx:   1\n"},
		{"the first of a list element", "l:\n-   a: 1\n    b:   2\n", []Edit{{At("l").Index(0).Key("a"), nil}}, "l:\n-   b:   2\n"},
		{"the first of a list element, the comment of the next one stays", "l:\n- a: 1\n  # of b\n  b: 2\n", []Edit{{At("l").Index(0).Key("a"), nil}}, "l:\n- # of b\n  b: 2\n"},
		{"the last of a flow mapping", "spec: { a: 1, b: 2 } # c\nx:   1\n", []Edit{{At("spec", "b"), nil}}, "spec: { a: 1 } # c\nx:   1\n"},
		{"what is not there", "spec:\n   a: 1\n", []Edit{{At("spec", "b", "c"), nil}, {At("x"), nil}}, "spec:\n   a: 1\n"},

		// Too unusual for an edit of the text: written anew.
		{
			"an anchor that others refer to",
			"# head\na: &h a   # c\nspec:\n   host: *h\n# foot\n", []Edit{{At("a"), "b"}},
			"# head\na: b # c\nspec:\n  host: a\n# foot\n",
		},
		{
			"inside of what an alias refers to",
			"# head\na: &m\n  x: 1 # c\nb: *m\n", []Edit{{At("b", "y"), "z"}},
			"# head\na:\n  x: 1 # c\nb:\n  x: 1\n  \"y\": z\n",
		},
		{
			"an alias is not edited where it points to",
			"a: &m {x: 1}\nb: *m # c\n", []Edit{{At("b", "y"), "z"}},
			"a: {x: 1}\nb: {x: 1, \"y\": z} # c\n",
		},
		{
			"lists and separator stay as they are",
			"--- # next\n# head\nl:\n- 1 # one\na: &a x\nb: *a\n", []Edit{{At("a"), "c"}},
			"--- # next\n# head\nl:\n- 1 # one\na: c\nb: x\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := editYAML(t, c.document, c.edits...); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestEditYAMLErrors(t *testing.T) {
	for _, c := range []struct {
		document string
		edit     Edit
		want     string
	}{
		{"a: b\n", Edit{At("a", "c"), "x"}, "edit of a.c: c is not a member of an object"},
		{"a: [b]\n", Edit{At("a").Index(1), "x"}, "edit of a[1]: there is no element 1"},
		{"a: b\na: c\n", Edit{At("x"), "x"}, `key "a" already set`},
		{"a: [\n", Edit{At("x"), "x"}, "did not find"},
		{"", Edit{At("x"), "x"}, "x: the YAML around it is too unusual to be edited; write \"x\" by hand"},
		{"# c\n", Edit{At("x"), "x"}, "too unusual"},
		{"a: &m {x: 1}\nb:\n  <<: *m\n", Edit{At("b", "x"), nil}, "b.x: the YAML around it is too unusual to be edited; remove the field by hand"},
	} {
		edited, err := EditYAML([]byte(c.document), []Edit{c.edit})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %v: %q, %v; want %q", c.document, c.edit, edited, err, c.want)
		}
	}
}

// TestEditYAMLOfLargeLists: a List of thousands of objects, as kubectl get -o
// yaml writes it, is read a few times, not once for each edit, even when some
// of its items are unusual.
func TestEditYAMLOfLargeLists(t *testing.T) {
	const items = 100
	var document strings.Builder
	document.WriteString("items:\n")
	var edits []Edit
	for i := range items {
		if i == items/3 {
			fmt.Fprintf(&document, "- spec: {a: &a%d x, host: *a%d}\n", i, i)
			edits = append(edits, Edit{At("items").Index(i).Key("spec", "a"), "y"})
			continue
		}
		fmt.Fprintf(&document, "- metadata:\n    name: a%d\n  spec:\n    a: 1 # c%d\n", i, i)
		edits = append(edits, Edit{At("items").Index(i).Key("spec", "host"), "h"}, Edit{At("items").Index(i).Key("metadata", "labels", "a"), "b"}, Edit{At("items").Index(i).Key("metadata", "labels", "b"), "c"})
	}
	allocated := testing.AllocsPerRun(1, func() {
		edited := editYAML(t, document.String(), edits...)
		if got := strings.Count(edited, " # c"); got != items-1 {
			t.Errorf("%d comments are left of %d", got, items-1)
		}
	})
	once := testing.AllocsPerRun(1, func() {
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(document.String()), &node); err != nil {
			t.Fatal(err)
		}
	})
	if allocated > 600*once {
		t.Errorf("it takes as much as %.0f readings of the document", allocated/once)
	}
}

// corpus is the YAML of the pages and of deploy.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"doc/*.txtar", "../deploy/*/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Ext(path) == ".yaml" {
				files[path] = data
				continue
			}
			for _, f := range txtar.Parse(data).Files {
				if filepath.Ext(f.Name) == ".yaml" {
					files[path+"/"+f.Name] = f.Data
				}
			}
		}
	}
	return files
}

// TestEditYAMLOfAnything makes random edits in the corpus.
func TestEditYAMLOfAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	files := corpus(t)
	for _, name := range sortedKeys(files) {
		for i, document := range SplitDocuments(files[name]) {
			data, err := kyaml.YAMLToJSONStrict(document)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			tree, err := decodeJSON(data)
			if err != nil {
				t.Fatal(err)
			}
			if tree == nil {
				continue
			}
			for range 2 {
				var edits []Edit
				for range 1 + random.IntN(3) {
					edits = append(edits, anyEdit(random, tree))
				}
				if _, _, err := Apply(data, edits); err != nil {
					continue // the second edit does not fit the first
				}
				edited, err := EditYAML(document, edits)
				if err != nil {
					t.Errorf("%s, document %d: %v with %v", name, i, err, edits)
					continue
				}
				checkEdited(t, document, edits, edited)
				checkLines(t, document, edits, edited)
			}
		}
	}
}

// anyEdit sets, adds or removes something in the tree.
func anyEdit(random *rand.Rand, tree any) Edit {
	var at Path
	for {
		switch node := tree.(type) {
		case map[string]any:
			keys := sortedKeys(node)
			if len(keys) == 0 || len(at) > 0 && random.IntN(5) == 0 {
				return Edit{at.Key([]string{"added", "sallyport.dev/x", "true", "\u00fc: #"}[random.IntN(4)]), anyEditValue(random)}
			}
			key := keys[random.IntN(len(keys))]
			at, tree = at.Key(key), node[key]
			if random.IntN(8) == 0 {
				return Edit{at, nil}
			}
		case []any:
			if len(node) == 0 {
				return Edit{at, []any{"x", map[string]any{"y": "z"}}}
			}
			i := random.IntN(len(node))
			at, tree = at.Index(i), node[i]
		default:
			return Edit{at, anyEditValue(random)}
		}
	}
}

func anyEditValue(random *rand.Rand) any {
	return []any{
		"plain", "", "yes", "a: b # c", "1", "'\"", "two\nlines\n", "- x", "{", "%%source.principal%%", "spiffe://x/ns/y", "\u00fc\t\u2028", " x ",
		true, 443.0, []any{}, map[string]any{}, []any{map[string]any{"address": "real.example.com"}}, map[string]any{"a/b": []any{"x", "y"}},
	}[random.IntN(19)]
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// checkLines: a line that holds nothing of what was edited is still there, and
// in its place, and so is every comment that does not go with its field.
func checkLines(t *testing.T, document []byte, edits []Edit, edited []byte) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(document), ": *") {
		return // an alias may have to be written out
	}
	touched := map[int]bool{}
	for _, e := range edits {
		touch(root.Content[0], e, touched)
	}
	rest := strings.SplitAfter(string(edited), "\n")
	for i, line := range strings.SplitAfter(string(document), "\n") {
		if touched[i+1] || line == "" {
			continue
		}
		found := slices.Index(rest, line)
		if found < 0 {
			t.Errorf("with %v, line %d is gone: %q\n%s\nis now\n%s", edits, i+1, line, document, edited)
			return
		}
		rest = rest[found+1:]
	}
}

// touch collects the lines of what an edit replaces or removes, and those next
// to it which it may have to write in another way: the keys that stand beside
// a key that is removed, or above it.
func touch(node *yaml.Node, e Edit, lines map[int]bool) {
	var key *yaml.Node
	above := 0
	for i, step := range e.At {
		child := yamlChild(node, step)
		if child == nil {
			if len(node.Content) == 0 || node.Style&yaml.FlowStyle != 0 {
				touchAll(node, lines)
			}
			return
		}
		key = child
		if node.Kind == yaml.MappingNode {
			key = node.Content[slices.Index(node.Content, child)-1]
		}
		if node.Style&yaml.FlowStyle != 0 {
			touchAll(node, lines)
		}
		if e.Value == nil && i == len(e.At)-1 {
			for _, sibling := range node.Content {
				lines[sibling.Line] = true
			}
			lines[above] = true
		}
		above = key.Line
		node = child
	}
	if key != nil { // what stands in between goes with the field
		for line := key.Line; line < lastLine(node); line++ {
			lines[line] = true
		}
	}
	touchAll(node, lines)
}

func touchAll(node *yaml.Node, lines map[int]bool) {
	for line := node.Line; line <= lastLine(node); line++ {
		lines[line] = true
	}
}

func lastLine(node *yaml.Node) int {
	last := node.Line + strings.Count(node.Value, "\n")
	for _, child := range node.Content {
		last = max(last, lastLine(child))
	}
	return last
}

// FuzzEditYAML: whatever the document, the edit is made as Apply makes it, or
// refused.
func FuzzEditYAML(f *testing.F) {
	files := corpus(f)
	for _, name := range sortedKeys(files) {
		f.Add(files[name], "spec", "host", "a.example.com", uint8(0))
	}
	for _, seed := range []string{
		"a: &x {b: c}\nd: *x\n", "a: |+\n  x\n\nb: c\n", "a: >2-\n    x\n  y\n", "{\"a\": {\"b\": 1}}", "a:\n- b\n-\n- - c\n", "a: {b: , c}\n", "? a\n: b\n",
		"a: 'x\n\n  y'\nb: \"\\\n  z\"\n", "a:\r\n  b: c\r\n", "\ufeff--- # c\na: b\n", "a: b\t# c\n", "a: \u2028b\n", "a: !!str 1\nb: !x y\n", "a: &b\nc: *b\n", "<<: {a: b}\n", "a: {b: c, # }\n  d: e}",
		"a: [b, {c: d}, 'it''s', e's]\n", "a: b: c\n", "a: x\r b\n", "# only\n", "a:\n    b: c\n\n    # d\ne: f\n", "\"a\" : b\n", "a:\n  - b: c\n    # d\n  # e\n",
	} {
		for edit := range uint8(8) {
			f.Add([]byte(seed), "a", "b", "x # y", edit)
		}
	}
	f.Fuzz(func(t *testing.T, document []byte, outer, inner, value string, kind uint8) {
		if len(document) > 1<<14 {
			return
		}
		at := []Path{At(outer), At(outer, inner), At(outer).Index(1), At(outer).Index(0).Key(inner)}[kind%4]
		edits := []Edit{{at, value}}
		switch kind / 4 % 4 {
		case 1:
			edits[0].Value = nil
		case 2:
			edits[0].Value = map[string]any{inner: []any{value}}
		case 3:
			edits = append(edits, Edit{At(outer, value), true})
		}
		data, err := kyaml.YAMLToJSONStrict(document)
		if err != nil || !hasTextKeys(document) {
			return
		}
		if _, _, err := Apply(data, edits); err != nil {
			return
		}
		edited, err := EditYAML(document, edits)
		if err != nil {
			return
		}
		checkEdited(t, document, edits, edited)
	})
}

// hasTextKeys tells whether all keys are text. Of others, such as 1 and 01, two
// may become one in JSON, and it is open which.
func hasTextKeys(document []byte) bool {
	var root yaml.Node
	if yaml.Unmarshal(document, &root) != nil {
		return false
	}
	var check func(*yaml.Node) bool
	check = func(node *yaml.Node) bool {
		for i, child := range node.Content {
			isKey := node.Kind == yaml.MappingNode && i%2 == 0
			if isKey && child.Tag != "!!str" && child.Tag != "!!merge" || !check(child) {
				return false
			}
		}
		return true
	}
	return check(&root)
}
