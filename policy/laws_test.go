package policy

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The laws hold for every rule over every object of every page and case.

// eachObject calls f for every object that sallyport judges.
func eachObject(t *testing.T, f func(t *testing.T, c caseFile, o Object)) {
	t.Helper()
	for _, c := range allCases(t) {
		for _, m := range slices.Concat(c.World, c.Bad, c.Fixed, c.Good) {
			if m.Object != nil {
				f(t, c, m.Object)
			}
		}
	}
}

func settle(t *testing.T, c caseFile, o Object) Settled {
	t.Helper()
	settled, err := Settle(Rules(), c.Config, c.Snapshot(), o)
	if err != nil {
		t.Fatalf("%s: %s: %v", c.Name, RefOf(o), err)
	}
	return settled
}

// reviewBoth judges the object and its deletion.
func reviewBoth(rules []*Rule, c caseFile, world World, o Object) []Finding {
	return slices.Concat(Review(rules, c.Config, world, o), ReviewDeletion(rules, c.Config, world, o))
}

func answers(findings []Finding) string {
	var lines []string
	for _, f := range findings {
		lines = append(lines, string(f.Severity)+" "+f.String())
	}
	return strings.Join(lines, "\n")
}

// TestSettleTwiceIsOnce: what is settled stays as it is, and nothing that
// could be fixed is left.
func TestSettleTwiceIsOnce(t *testing.T) {
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		once := settle(t, c, o)
		for _, f := range once.Findings {
			if len(f.Fix) > 0 {
				t.Errorf("%s: settled, yet there is something to fix: %s", c.Name, f)
			}
		}
		twice := settle(t, c, once.Object)
		if len(twice.Patch) > 0 {
			t.Errorf("%s: %s: settled again, it changes: %v", c.Name, RefOf(o), twice.Patch)
		}
		if got, want := answers(twice.Findings), answers(once.Findings); got != want {
			t.Errorf("%s: %s: settled again, it gets\n%s\nand before\n%s", c.Name, RefOf(o), got, want)
		}
	})
}

// TestRuleOrderDoesNotMatter also shows that no rule keeps anything in mind.
func TestRuleOrderDoesNotMatter(t *testing.T) {
	reversed := Rules()
	slices.Reverse(reversed)
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		forth := settle(t, c, o)
		back, err := Settle(reversed, c.Config, c.Snapshot(), o)
		if err != nil {
			t.Fatal(err)
		}
		if answers(forth.Findings) != answers(back.Findings) || !reflect.DeepEqual(forth.Patch, back.Patch) {
			t.Errorf("%s: %s: the order of the rules matters", c.Name, RefOf(o))
		}
	})
}

// TestInputIsNotModified: neither the object, nor its JSON, nor the World, nor
// the configuration.
func TestInputIsNotModified(t *testing.T) {
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		raw := bytes.Clone(o.Metadata().Raw())
		before, err := json.Marshal([]any{o, c.Config, c.World})
		if err != nil {
			t.Fatal(err)
		}
		settle(t, c, o)
		after, err := json.Marshal([]any{o, c.Config, c.World})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, after) || !bytes.Equal(raw, o.Metadata().Raw()) {
			t.Errorf("%s: %s: the input changed", c.Name, RefOf(o))
		}
	})
}

// TestReadsAreDeclared: a rule asks the World for no kind that it does not
// declare, and for each that it does declare at least once.
func TestReadsAreDeclared(t *testing.T) {
	for _, rule := range Rules() {
		used := map[Kind]bool{}
		eachObject(t, func(t *testing.T, c caseFile, o Object) {
			a := newAsked(c.Snapshot())
			reviewBoth([]*Rule{rule}, c, a, o)
			for kind := range a.kinds {
				used[kind] = true
			}
		})
		for kind := range used {
			if !slices.Contains(rule.Reads, kind) {
				t.Errorf("%s reads %s, which its Reads do not say", rule.ID, kind)
			}
		}
		for _, kind := range rule.Reads {
			if !used[kind] {
				t.Errorf("%s says that it reads %s, but no case makes it do so", rule.ID, kind)
			}
		}
	}
}

// TestKindsAreUsed: every kind that a rule judges has a case that breaks it.
func TestKindsAreUsed(t *testing.T) {
	for _, rule := range Rules() {
		broken, held := map[Kind]bool{}, map[Kind]bool{}
		eachObject(t, func(t *testing.T, c caseFile, o Object) {
			if len(Review([]*Rule{rule}, c.Config, c.Snapshot(), o)) > 0 {
				broken[o.Kind()] = true
			}
			if len(ReviewDeletion([]*Rule{rule}, c.Config, c.Snapshot(), o)) > 0 {
				held[o.Kind()] = true
			}
		})
		for _, kind := range rule.Check.Kinds() {
			if !broken[kind] {
				t.Errorf("%s judges %s, but no case of that kind breaks it", rule.ID, kind)
			}
		}
		for _, kind := range rule.Delete.Kinds() {
			if !held[kind] {
				t.Errorf("%s judges the deletion of %s, but no case refuses one", rule.ID, kind)
			}
		}
	}
}

// TestFixesAreDeclared: a rule repairs the kinds that it says, and each of them.
func TestFixesAreDeclared(t *testing.T) {
	for _, rule := range Rules() {
		fixed := map[Kind]bool{}
		eachObject(t, func(t *testing.T, c caseFile, o Object) {
			for _, f := range Review([]*Rule{rule}, c.Config, c.Snapshot(), o) {
				if len(f.Fix) > 0 {
					fixed[o.Kind()] = true
				}
			}
		})
		if got := slices.Sorted(maps.Keys(fixed)); !slices.Equal(got, rule.Fixes) {
			t.Errorf("%s repairs %v, but declares %v", rule.ID, got, rule.Fixes)
		}
	}
}

// TestUnknownFieldsSurvive: what our types do not know is there after Settle,
// wherever it stood.
func TestUnknownFieldsSurvive(t *testing.T) {
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		var tree any
		if err := json.Unmarshal(o.Metadata().Raw(), &tree); err != nil {
			t.Fatal(err)
		}
		n := 0
		sow(tree, &n)
		raw, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		sown, err := Decode(o.Kind(), raw)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		setDefaultNamespace(sown, o.Metadata().Namespace)
		settled := settle(t, c, sown)
		if got := strings.Count(string(settled.Object.Metadata().Raw()), sownValue); got != n {
			t.Errorf("%s: %s: %d unknown fields before, %d after", c.Name, RefOf(o), n, got)
		}
	})
}

// sownValue is too large for a float64.
const sownValue = "9007199254740993"

// sow adds an unknown field to every object of the tree that has no keys of
// the user's own.
func sow(node any, n *int) {
	switch node := node.(type) {
	case map[string]any:
		for key, child := range node {
			if !usersKeys(key, child) {
				sow(child, n)
			}
		}
		node["xUnknownToSallyport"] = json.Number(sownValue)
		*n++
	case []any:
		for _, child := range node {
			sow(child, n)
		}
	}
}

// usersKeys tells whether the keys of this member are the user's own.
func usersKeys(key string, child any) bool {
	members, ok := child.(map[string]any)
	switch key {
	case "labels", "annotations", "matchLabels", "ports", "set", "add", "withoutHeaders":
		return ok
	case "headers", "queryParams": // of a VirtualService's match
		return ok && members["request"] == nil && members["response"] == nil
	}
	return false
}

// TestReviewNeedsNoSettle: a validator stands alone. Objects without any spec,
// or with null in place of every value, are judged without a panic.
func TestReviewNeedsNoSettle(t *testing.T) {
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		reviewBoth(Rules(), c, c.Snapshot(), o)
		reviewBoth(Rules(), c, &Snapshot{}, o)
		for _, hollow := range hollowed(t, o.Metadata().Raw()) {
			object, err := Decode(o.Kind(), hollow)
			if err != nil {
				t.Fatalf("%s: %s: %v", c.Name, hollow, err)
			}
			reviewBoth(Rules(), c, c.Snapshot(), object)
			if _, err := Settle(Rules(), c.Config, c.Snapshot(), object); err != nil {
				t.Errorf("%s: %s: %v", c.Name, hollow, err)
			}
		}
	})
}

// hollowed returns the object once for each of its values, with null there.
func hollowed(t *testing.T, raw []byte) [][]byte {
	t.Helper()
	var all [][]byte
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(node any)
	walk = func(node any) {
		emit := func() {
			data, err := json.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data)
		}
		switch node := node.(type) {
		case map[string]any:
			for key, child := range node {
				node[key] = nil
				emit()
				node[key] = child
				walk(child)
			}
		case []any:
			for i, child := range node {
				node[i] = nil
				emit()
				node[i] = child
				walk(child)
			}
		}
	}
	walk(tree)
	return all
}

// TestDenialsDiscloseNothing: a message names no object that the user did not
// name or could not see.
func TestDenialsDiscloseNothing(t *testing.T) {
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		text := answers(settle(t, c, o).Findings)
		visible := func(name string) bool {
			return strings.Contains(string(o.Metadata().Raw()), name) || configured(c.Config, name) ||
				slices.ContainsFunc(c.World, func(m Manifest) bool {
					return m.Object != nil && m.Object.Metadata().Namespace == o.Metadata().Namespace && m.Object.Metadata().Name == name
				})
		}
		for _, m := range c.World {
			if m.Object == nil || m.Object.Kind() == NamespaceKind || m.Object.Metadata().Namespace == o.Metadata().Namespace {
				continue
			}
			name := m.Object.Metadata().Name
			if !visible(name) && (strings.Contains(text, quote(name)) || strings.Contains(text, "/"+name)) {
				t.Errorf("%s: %s: the answer names %s:\n%s", c.Name, RefOf(o), RefOf(m.Object), text)
			}
		}
	})
}

func configured(config *Config, name string) bool {
	return slices.ContainsFunc(config.EgressWaypoints, func(w Waypoint) bool { return w.Name == name })
}

// TestFindingsAreComplete: every message tells where, what is wrong and what to
// write instead, in the form that the denial needs.
func TestFindingsAreComplete(t *testing.T) {
	eachObject(t, func(t *testing.T, c caseFile, o Object) {
		for _, f := range reviewBoth(Rules(), c, c.Snapshot(), o) {
			for _, text := range []string{f.Problem, f.Remedy} {
				if text == "" || strings.HasSuffix(text, ".") || text[0] >= 'A' && text[0] <= 'Z' || strings.Contains(text, "\n") {
					t.Errorf("%s: %q is not the part of a sentence", f.Rule.ID, text)
				}
			}
			if len(f.At) == 0 {
				t.Errorf("%s: a finding without a field: %s", f.Rule.ID, f)
			}
		}
	})
}

func TestRulesAreWellFormed(t *testing.T) {
	id := regexp.MustCompile(`^SP[0-5]\d\d$`)
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	names := map[string]bool{}
	last := ""
	for _, rule := range Rules() {
		if !id.MatchString(rule.ID) || rule.ID <= last {
			t.Errorf("id %q is not of the form SPnnn, or not after %q", rule.ID, last)
		}
		last = rule.ID
		if !name.MatchString(rule.Name) || names[rule.Name] {
			t.Errorf("%s: name %q is not in kebab case, or not unique", rule.ID, rule.Name)
		}
		names[rule.Name] = true
		if !strings.HasSuffix(rule.Title, ".") || len(rule.Title) > 130 {
			t.Errorf("%s: title %q is not one short sentence", rule.ID, rule.Title)
		}
		if rule.Severity != Deny && rule.Severity != Warn {
			t.Errorf("%s: severity %q", rule.ID, rule.Severity)
		}
		if len(rule.Check.Kinds())+len(rule.Delete.Kinds()) == 0 {
			t.Errorf("%s judges nothing", rule.ID)
		}
		if !slices.IsSorted(rule.Reads) {
			t.Errorf("%s: Reads are not sorted", rule.ID)
		}
	}
}

// TestChecksKnowAllKinds fails when a kind is added to Checks but not to the
// functions that go through them.
func TestChecksKnowAllKinds(t *testing.T) {
	fields := reflect.TypeFor[Checks]()
	for i := range fields.NumField() {
		field := fields.Field(i)
		var checks Checks
		called := false
		function := reflect.MakeFunc(field.Type, func([]reflect.Value) []reflect.Value { called = true; return nil })
		reflect.ValueOf(&checks).Elem().Field(i).Set(function)
		if kinds := checks.Kinds(); !slices.Equal(kinds, []Kind{Kind(field.Name)}) {
			t.Errorf("Kinds with %s alone: %v", field.Name, kinds)
		}
		o := newObject(Kind(field.Name))
		if o == nil || o.Kind() != Kind(field.Name) {
			t.Errorf("newObject(%s) is %T", field.Name, o)
			continue
		}
		checks.run(&Pass{}, o)
		if !called {
			t.Errorf("run does not reach %s", field.Name)
		}
	}
}

// TestPolicyIsPure: decisions may not come to depend on I/O, clocks or a
// cluster's clients.
func TestPolicyIsPure(t *testing.T) {
	forbidden := map[string]string{
		"os": "reads files and the environment", "log": "has a destination", "log/slog": "has a destination",
		"context": "means that something may block", "net/http": "talks", "time": "makes answers depend on the clock",
		"math/rand": "makes answers depend on chance", "math/rand/v2": "makes answers depend on chance",
		"k8s.io/client-go": "talks to a cluster", "sigs.k8s.io/controller-runtime": "talks to a cluster",
		"istio.io/istio": "would make the guard trust the code that it guards against", "istio.io/client-go": "talks to a cluster",
		"sallyport.dev/webhook": "points the wrong way", "sallyport.dev/certs": "points the wrong way",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			for prefix, why := range forbidden {
				if path == prefix || strings.HasPrefix(path, prefix+"/") {
					t.Errorf("%s imports %s, which %s", name, path, why)
				}
			}
		}
	}
}
