package webhook

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"sigs.k8s.io/yaml"

	"sallyport.dev/policy"
)

var update = flag.Bool("update", false, "rewrite the generated manifests in deploy/base")

// TestManifests: the shipped manifests are those that the rules call for.
func TestManifests(t *testing.T) {
	rules := policy.Rules()
	for _, tt := range []struct {
		file, head string
		objects    []any
	}{
		{"webhooks.yaml", `# What the API server sends to sallyport, made from the rules by ` + "`make generate`" + `.
# Nothing else ever waits for it: no Pods, no ordinary Services or Namespaces.
`, []any{MutatingConfiguration(rules), ValidatingConfiguration(rules)}},
		{"role.yaml", `# sallyport reads what its rules ask for, and writes nothing. Made from the
# rules by ` + "`make generate`" + `.
`, []any{Role(rules)}},
	} {
		var documents [][]byte
		for _, o := range tt.objects {
			text, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			documents = append(documents, text)
		}
		want := append([]byte(tt.head), bytes.Join(documents, []byte("---\n"))...)
		path := "../deploy/base/" + tt.file
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale; run `make generate`. It would be\n%s", path, want)
		}
	}
}

// TestSent: what is judged is sent, in every version that is served, and
// nothing else; what fails closed cannot block core kinds in general.
func TestSent(t *testing.T) {
	sent := map[string]bool{}
	for _, w := range ValidatingConfiguration(policy.Rules()).Webhooks {
		core := false
		for _, rule := range w.Rules {
			for _, resource := range rule.Resources {
				for _, version := range rule.APIVersions {
					sent[rule.APIGroups[0]+"/"+version+"/"+resource] = true
				}
			}
			core = core || rule.APIGroups[0] == ""
		}
		if core && (len(w.MatchConditions) == 0 || w.NamespaceSelector == nil) {
			t.Errorf("%s sends every object of a core kind", w.Name)
		}
	}
	judged := 0
	for _, info := range judgedKinds(policy.Rules()) {
		for _, version := range info.Versions {
			judged++
			if !sent[info.Group+"/"+version+"/"+info.Resource] {
				t.Errorf("%s of %s %s is judged, but not sent", info.Kind, info.Group, version)
			}
		}
	}
	if len(sent) != judged {
		t.Errorf("%d kinds and versions are sent, %d are judged", len(sent), judged)
	}
}
