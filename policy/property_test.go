package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What changes no verdict, shown by chance: each object of the pages and cases
// is dressed up in random ways and judged again.

// verdictOn is all that a driver learns about an object, in words.
func verdictOn(t *testing.T, c caseFile, o Object) string {
	t.Helper()
	settled := settle(t, c, o)
	edits, err := json.Marshal(settled.Edits)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\n%s\ndeleted:\n%s", edits, answers(settled.Findings), answers(ReviewDeletion(Rules(), c.Config, c.Snapshot(), o)))
}

// redressed returns the object with other metadata.
func redressed(t *testing.T, o Object, dress func(metadata, object map[string]any)) Object {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(o.Metadata().Raw(), &tree); err != nil {
		t.Fatal(err)
	}
	metadata, ok := tree["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		tree["metadata"] = metadata
	}
	dress(metadata, tree)
	raw, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(o.Kind(), raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	setDefaultNamespace(again, o.Metadata().Namespace)
	return again
}

// withMember adds an entry to a map of the metadata.
func withMember(metadata map[string]any, field, key string, value any) {
	members, ok := metadata[field].(map[string]any)
	if !ok {
		members = map[string]any{}
		metadata[field] = members
	}
	members[key] = value
}

// TestOwnDomainGrantsNothing: no annotation and no label of sallyport's own
// domain has a say, but for the one that asks for a waypoint.
func TestOwnDomainGrantsNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{
		"exempt", "exemption", "exemptions", "ignore", "skip", "disable", "disabled", "enforce", "enforcement", "action", "mode", "bypass", "allow", "trusted", "managed",
		"platform", "owner", "namespace", "app", "external-host", "credential", "principal", "SP101", "sp101", "rules", "ratchet", "warn", "off", "config", "egress-waypoints", "egress_waypoint", "Egress-Waypoint",
	}
	values := []string{"", "true", "false", "off", "warn", "none", "*", "all", "SP101", "SP101,SP201", "istio-egress", "istio-egress/egress-waypoint", "egress-waypoint", `{"rules":["*"]}`, "2099-12-31", "\n[SP999 x] y", strings.Repeat("x", 4000)}
	key := func() string {
		word := words[r.IntN(len(words))]
		return []string{"sallyport.dev/" + word, "sallyport.dev/" + word + "-" + word, word + ".sallyport.dev/" + word, "config.sallyport.dev/" + word}[r.IntN(4)]
	}
	value := func() string { return values[r.IntN(len(values))] }
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		want := verdictOn(t, c, o)
		for range 3 {
			var added []string
			odd := redressed(t, o, func(metadata, _ map[string]any) {
				for range 1 + r.IntN(4) {
					k, v, field := key(), value(), []string{"annotations", "labels"}[r.IntN(2)]
					withMember(metadata, field, k, v)
					added = append(added, fmt.Sprintf("%s %s=%q", field, k, v))
				}
				// As a label, the documented name means nothing.
				withMember(metadata, "labels", egressWaypointAnnotation, value())
			})
			if got := verdictOn(t, c, odd); got != want {
				t.Fatalf("%s: %s: with %v the verdict is\n%s\nand without\n%s", c.Name, RefOf(o), added, got, want)
			}
		}
	})
}

// TestMetadataNoiseChangesNothing: what controllers, kubectl and users of other
// tools write beside the fields that rules are about.
func TestMetadataNoiseChangesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	noise := []func(metadata, object map[string]any){
		func(m, _ map[string]any) { withMember(m, "labels", "app.kubernetes.io/name", "x") },
		func(m, _ map[string]any) { withMember(m, "labels", "example.com/use-waypoint", "egress-waypoint") },
		func(m, _ map[string]any) {
			withMember(m, "annotations", "example.com/note", strings.Repeat("y", 1+r.IntN(200)))
		},
		func(m, _ map[string]any) {
			withMember(m, "annotations", "kubectl.kubernetes.io/last-applied-configuration", "{}")
		},
		// Bindings are labels; as annotations they are noise.
		func(m, _ map[string]any) { withMember(m, "annotations", useWaypointLabel, "none") },
		func(m, _ map[string]any) { m["finalizers"] = []any{"example.com/hold"} },
		func(m, _ map[string]any) {
			m["ownerReferences"] = []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}}
		},
		func(m, _ map[string]any) {
			m["managedFields"] = []any{map[string]any{"manager": "kubectl", "operation": "Apply", "fieldsV1": map[string]any{"f:spec": map[string]any{}}}}
		},
		func(m, _ map[string]any) {
			m["uid"], m["resourceVersion"], m["generation"], m["creationTimestamp"] = "0-1-2", "42", 7, "2026-01-01T00:00:00Z"
		},
		func(_, o map[string]any) {
			o["status"] = map[string]any{"observedGeneration": 7, "conditions": []any{map[string]any{"type": "Accepted", "status": "False"}}, "addresses": nil}
		},
		func(_, o map[string]any) { o["unknown"] = map[string]any{"spec": map[string]any{}} },
	}
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		want := verdictOn(t, c, o)
		for range 3 {
			odd := redressed(t, o, func(metadata, object map[string]any) {
				// A case about addresses that istiod allocated keeps them.
				status, hasStatus := object["status"]
				for range 1 + r.IntN(5) {
					noise[r.IntN(len(noise))](metadata, object)
				}
				if hasStatus {
					object["status"] = status
				}
			})
			if got := verdictOn(t, c, odd); got != want {
				t.Fatalf("%s: %s: the verdict is\n%s\nand without the noise\n%s\n%s", c.Name, RefOf(o), got, want, odd.Metadata().Raw())
			}
			findings := ReviewUpdate(Rules(), c.Config, c.Snapshot(), o, odd)
			if c.Config.Ratchet && Denies(findings) {
				t.Fatalf("%s: %s: an update of its metadata is denied:\n%s", c.Name, RefOf(o), answers(findings))
			}
		}
	})
}

// TestEntriesDoNotCombine: in every configuration that loads, what happens to a
// finding is what one single entry does to it, or nothing.
func TestEntriesDoNotCombine(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	type breach struct {
		c caseFile
		o Object
	}
	var breaches []breach
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		m := o.Metadata()
		if c.Source["config.yaml"] == "" && isName(m.Name) && isNamespaceGlob(m.Namespace) && Denies(Review(Rules(), c.Config, c.Snapshot(), o)) {
			breaches = append(breaches, breach{c, o})
		}
	})
	loaded, softened := 0, 0
	for range 400 {
		target := breaches[r.IntN(len(breaches))]
		entries := randomConfigEntries(r, target.o, Review(Rules(), target.c.Config, target.c.Snapshot(), target.o))
		config, err := LoadConfig("c.yaml", []byte(configHead+configEntriesText(entries)), "2026-01-01")
		if err != nil {
			if !strings.Contains(err.Error(), "overlaps") && !strings.Contains(err.Error(), "is for the same as") {
				t.Fatalf("%v\n%s", err, configEntriesText(entries))
			}
			continue
		}
		loaded++
		singles := make([]*Config, len(entries))
		for i := range entries {
			if singles[i], err = LoadConfig("c.yaml", []byte(configHead+configEntriesText(entries[i:i+1])), "2026-01-01"); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			b := target
			if i > 0 {
				b = breaches[r.IntN(len(breaches))]
			}
			softened += checkNoCombination(t, b.c, b.o, config, singles, configEntriesText(entries))
		}
	}
	t.Logf("%d configurations, %d findings softened", loaded, softened)
	if loaded < 50 || softened < 100 {
		t.Errorf("%d configurations loaded and %d findings were softened: too few to mean anything", loaded, softened)
	}
}

// checkNoCombination compares what all entries do with what each does alone. It
// returns how many findings were softened.
func checkNoCombination(t *testing.T, c caseFile, o Object, config *Config, singles []*Config, text string) int {
	t.Helper()
	const day = "2026-05-01"
	strength := map[string]int{"off": 2, "warn": 1, "deny": 0}
	fate := func(config *Config, f Finding) string {
		for _, g := range Review(Rules(), config.On(day), c.Snapshot(), o) {
			if g.sameness() == f.sameness() && comparePaths(g.At, f.At) == 0 {
				return string(g.Severity)
			}
		}
		return "off"
	}
	softened := 0
	for _, f := range OfSeverity(Review(Rules(), DefaultConfig(), c.Snapshot(), o), Deny) {
		want := "deny"
		for _, single := range singles {
			if alone := fate(single, f); strength[alone] > strength[want] {
				want = alone
			}
		}
		if got := fate(config, f); got != want {
			t.Fatalf("%s: together the entries make %s of a finding, alone %s: %s\n%s", RefOf(o), got, want, f, text)
		}
		if want != "deny" {
			softened++
		}
	}
	return softened
}

// randomConfigEntries returns entries of the configuration, as YAML in one line
// each. Many are about the findings on an object.
func randomConfigEntries(r *rand.Rand, o Object, findings []Finding) []string {
	rules := Rules()
	some := func(from ...string) string { return from[r.IntN(len(from))] }
	id := func() string {
		if r.IntN(2) == 0 {
			return findings[r.IntN(len(findings))].Rule.ID
		}
		return rules[r.IntN(len(rules))].ID
	}
	var entries []string
	for range 1 + r.IntN(5) {
		if r.IntN(2) == 0 {
			entries = append(entries, fmt.Sprintf("x {rule: %s, namespace: %s, name: %s, reason: r, expires: %s}",
				id(), some(o.Metadata().Namespace, "team-b", "istio-egress"), some(RefOf(o).Name, RefOf(o).Name, "x"), some("2026-06-01", "2026-05-01", "2026-05-02")))
			continue
		}
		entry := "n {action: " + some("deny", "warn", "off")
		if r.IntN(4) > 0 {
			entry += fmt.Sprintf(", rules: [%s, %s]", id(), id())
		}
		if r.IntN(4) > 0 {
			entry += fmt.Sprintf(", namespaces: [%s]", some(o.Metadata().Namespace, "team-b", "'team-*'", "'*-egress'"))
		}
		entries = append(entries, entry+"}")
	}
	return entries
}

func configEntriesText(entries []string) string {
	lists := map[string][]string{}
	for _, e := range entries {
		lists[e[:1]] = append(lists[e[:1]], "- "+e[2:]+"\n")
	}
	var b strings.Builder
	for _, list := range []struct{ name, letter string }{{"enforcement", "n"}, {"exemptions", "x"}} {
		if items := lists[list.letter]; len(items) > 0 {
			b.WriteString(list.name + ":\n" + strings.Join(slices.Clone(items), ""))
		}
	}
	return b.String()
}
