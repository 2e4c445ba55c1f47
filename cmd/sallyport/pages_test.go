package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"sigs.k8s.io/yaml"

	"sallyport.dev/policy"
)

// run runs the command line in this process. denied tells of exit code 1.
func run(t *testing.T, stdin []byte, args ...string) (stdout string, denied bool) {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(bytes.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	err := root.Execute()
	if err != nil && !errors.Is(err, errDenied) {
		t.Fatalf("sallyport %s: %v", strings.Join(args, " "), err)
	}
	if errs.Len() > 0 {
		t.Errorf("sallyport %s prints errors: %s", strings.Join(args, " "), errs.String())
	}
	return out.String(), err != nil
}

// page is the page of a rule with its files.
type page struct {
	*policy.Case
	flags []string // --config and --world
}

func eachPage(t *testing.T, f func(t *testing.T, p page)) {
	t.Helper()
	for _, rule := range policy.Rules() {
		t.Run(rule.ID, func(t *testing.T) {
			c, err := policy.PageOf(rule.ID)
			if err != nil {
				t.Fatal(err)
			}
			p := page{Case: c}
			dir := t.TempDir()
			for file, flag := range map[string]string{"config.yaml": "--config", "world.yaml": "--world"} {
				if text, ok := c.Source[file]; ok {
					path := filepath.Join(dir, file)
					if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
					p.flags = append(p.flags, flag+"="+path)
				}
			}
			f(t, p)
		})
	}
}

// documents are those of a file of the page.
func (p page) documents(file string) [][]byte {
	return policy.SplitDocuments([]byte(p.Source[file]))
}

// settled is what the cluster holds once it admits the object.
func (p page) settled(t *testing.T, m policy.Manifest) policy.Settled {
	t.Helper()
	settled, err := policy.Settle(policy.Rules(), p.Config, p.Snapshot(), m.Object)
	if err != nil {
		t.Fatal(err)
	}
	return settled
}

// TestCheckOfPages: check gives to the objects of every page the answers that
// the page promises.
func TestCheckOfPages(t *testing.T) {
	eachPage(t, func(t *testing.T, p page) {
		promised := strings.Split(strings.TrimSuffix(p.Want, "\n"), "\n\n")
		if len(promised) != len(p.Bad)+len(p.BadDelete) {
			t.Fatalf("%d answers for %d objects", len(promised), len(p.Bad)+len(p.BadDelete))
		}
		bad := p.documents("bad.yaml")
		for i, m := range p.Bad {
			ref := policy.RefOf(m.Object)
			text, denied := run(t, bad[m.Doc], append([]string{"check", "-f", "-"}, p.flags...)...)
			settled := p.settled(t, m)
			if denied != policy.Denies(settled.Findings) {
				t.Errorf("%s: denied is %t", ref, denied)
			}
			answer := promised[i]
			if _, ok := p.FixedOf(m); ok {
				answer = ""
			}
			if got := answerIn(text); got != answer {
				t.Errorf("%s: the answer is\n%s\nand on the page\n%s", ref, got, answer)
			}
			head := ref.String() + ": admitted\n"
			switch {
			case denied:
				head = ref.String() + ": DENIED (stdin)\n"
			case answer != "" && len(settled.Patch) > 0:
				head = ref.String() + ": admitted, completed (stdin)\n"
			case answer != "":
				head = ref.String() + ": admitted (stdin)\n"
			case len(settled.Patch) > 0:
				head = ref.String() + ": admitted, completed\n"
			}
			if !strings.HasPrefix(text, head) {
				t.Errorf("%s: the output begins with\n%s\nwant\n%s", ref, text, head)
			}
			for _, op := range settled.Patch {
				if !strings.Contains(text, "\n  "+op.Op+" "+op.Path+" ") {
					t.Errorf("%s: the output does not tell of %s %s:\n%s", ref, op.Op, op.Path, text)
				}
			}
		}
		good := p.documents("good.yaml")
		for _, m := range p.Good {
			text, denied := run(t, good[m.Doc], append([]string{"check", "-f", "-"}, p.flags...)...)
			if denied || !strings.Contains(text, ": admitted\n") || strings.Contains(text, "completed\n") || answerIn(text) != "" {
				t.Errorf("%s: want nothing to be said, got\n%s", m.Name, text)
			}
		}
	})
}

// TestCheckOfDeletions: check gives to the deletions of every page the answers
// that the page promises. A manifest does but name what is deleted.
func TestCheckOfDeletions(t *testing.T) {
	seen := 0
	eachPage(t, func(t *testing.T, p page) {
		promised := strings.Split(strings.TrimSuffix(p.Want, "\n"), "\n\n")[len(p.Bad):]
		seen += len(promised)
		for i, m := range slices.Concat(p.BadDelete, p.GoodDelete) {
			ref := policy.RefOf(m.Object)
			named, err := json.Marshal(map[string]any{"apiVersion": m.APIVersion, "kind": m.KindName, "metadata": map[string]string{"namespace": ref.Namespace, "name": ref.Name}})
			if err != nil {
				t.Fatal(err)
			}
			text, denied := run(t, named, append([]string{"check", "--delete", "-f", "-"}, p.flags...)...)
			answer := ""
			if i < len(p.BadDelete) {
				answer = promised[i]
			}
			if got := answerIn(text); got != answer || denied != (answer != "") {
				t.Errorf("%s: denied is %t, and the answer\n%s\nwant\n%s", ref, denied, got, answer)
			}
			asJSON, _ := run(t, named, append([]string{"check", "--delete", "-o", "json", "-f", "-"}, p.flags...)...)
			r := decodeContract(t, asJSON)[0]
			if r.Operation != "delete" || (r.Verdict == "deny") != denied || len(r.Patch) > 0 || (len(r.Findings) > 0) != denied {
				t.Errorf("%s: the result is %+v", ref, r)
			}
		}
	})
	if seen == 0 {
		t.Error("no page has a deletion")
	}
}

// answerIn takes what kubectl would show out of check's text.
func answerIn(text string) string {
	var lines []string
	text, _, _ = strings.Cut(text, "not judged")
	for line := range strings.Lines(text) {
		line, isIndented := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "  ")
		op, _, _ := strings.Cut(line, " /")
		if isIndented && !slices.Contains([]string{"add", "replace", "remove"}, op) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// TestJSONOfPages: the JSON output keeps the contract of DESIGN.md, and says
// what the core says. So does the YAML output.
func TestJSONOfPages(t *testing.T) {
	eachPage(t, func(t *testing.T, p page) {
		for _, file := range []string{"bad.yaml", "good.yaml"} {
			manifests := map[string][]policy.Manifest{"bad.yaml": p.Bad, "good.yaml": p.Good}[file]
			documents := p.documents(file)
			for _, m := range manifests {
				if m.Object == nil {
					continue
				}
				text, denied := run(t, documents[m.Doc], append([]string{"check", "-o", "json", "-f", "-"}, p.flags...)...)
				results := decodeContract(t, text)
				if len(results) != 1 {
					t.Fatalf("%d results", len(results))
				}
				checkResult(t, p, m, results[0], denied)

				asYAML, _ := run(t, documents[m.Doc], append([]string{"check", "-o", "yaml", "-f", "-"}, p.flags...)...)
				converted, err := yaml.YAMLToJSONStrict([]byte(asYAML))
				if err != nil || !reflect.DeepEqual(decode(t, converted), decode(t, []byte(text))) {
					t.Errorf("%s: %v: the YAML output differs:\n%s", m.Name, err, asYAML)
				}
			}
		}
	})
}

// contract is the form of the JSON output, as DESIGN.md has it.
var contract = map[string]any{"results": []any{map[string]any{
	"object":    map[string]any{"apiVersion": "", "kind": "", "namespace": "", "name": ""},
	"operation": "", "verdict": "",
	"findings":  []any{map[string]any{"rule": "", "name": "", "severity": "", "path": "", "got": "", "problem": "", "remedy": ""}},
	"patch":     []any{},
	"notJudged": []any{map[string]any{"rule": "", "needs": ""}},
}}}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return value
}

func decodeContract(t *testing.T, text string) []result {
	t.Helper()
	if problem := differs("", decode(t, []byte(text)), contract); problem != "" {
		t.Fatalf("%s in\n%s", problem, text)
	}
	var r report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return r.Results
}

// differs compares the fields of two values and their types.
func differs(at string, got, want any) string {
	switch want := want.(type) {
	case map[string]any:
		members, ok := got.(map[string]any)
		if !ok || !slices.Equal(slices.Sorted(maps.Keys(members)), slices.Sorted(maps.Keys(want))) {
			return fmt.Sprintf("%s is %v, want the fields %v", at, got, slices.Sorted(maps.Keys(want)))
		}
		for key := range want {
			if problem := differs(at+"."+key, members[key], want[key]); problem != "" {
				return problem
			}
		}
	case []any:
		list, ok := got.([]any)
		if !ok {
			return fmt.Sprintf("%s is %v, want a list", at, got)
		}
		for i := range list {
			if len(want) > 0 {
				if problem := differs(fmt.Sprintf("%s[%d]", at, i), list[i], want[0]); problem != "" {
					return problem
				}
			}
		}
	default:
		if reflect.TypeOf(got) != reflect.TypeOf(want) {
			return fmt.Sprintf("%s is %v, want a %T", at, got, want)
		}
	}
	return ""
}

func checkResult(t *testing.T, p page, m policy.Manifest, r result, denied bool) {
	t.Helper()
	ref := policy.RefOf(m.Object)
	settled := p.settled(t, m)
	if want := (objectRef{m.APIVersion, m.KindName, ref.Namespace, ref.Name}); r.Object != want {
		t.Errorf("object is %+v, want %+v", r.Object, want)
	}
	if want := map[bool]string{false: "allow", true: "deny"}[policy.Denies(settled.Findings)]; r.Verdict != want || denied != (want == "deny") {
		t.Errorf("%s: verdict is %q, want %q; exit code 1: %t", ref, r.Verdict, want, denied)
	}
	want := "create"
	if p.Snapshot().Get(ref) != nil {
		want = "update"
	}
	if r.Operation != want {
		t.Errorf("%s: operation is %q, want %q", ref, r.Operation, want)
	}
	findings := []finding{}
	for _, f := range settled.Findings {
		findings = append(findings, finding{f.Rule.ID, f.Rule.Name, f.Severity, f.At.String(), f.Got, f.Problem, f.Remedy})
	}
	if !reflect.DeepEqual(r.Findings, findings) {
		t.Errorf("%s: findings are\n%+v\nwant\n%+v", ref, r.Findings, findings)
	}
	missing := []notJudged{}
	for _, n := range policy.Unjudged(policy.Rules(), p.Config, p.Snapshot(), m.Object) {
		missing = append(missing, notJudged{n.Rule.ID, string(n.Needs)})
	}
	if !reflect.DeepEqual(r.NotJudged, missing) {
		t.Errorf("%s: notJudged is %v, want %v", ref, r.NotJudged, missing)
	}

	wantObject := m.JSON
	if fixed, ok := p.FixedOf(m); ok && len(p.Bad) > 0 && slices.ContainsFunc(p.Bad, func(b policy.Manifest) bool { return b.Object == m.Object }) {
		wantObject = fixed.JSON
	} else if len(settled.Patch) > 0 {
		wantObject = settled.Object.Metadata().Raw()
	}
	data, err := json.Marshal(r.Patch)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(data)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply(m.JSON)
	if err != nil {
		t.Fatalf("%s: %s: %v", ref, data, err)
	}
	if !reflect.DeepEqual(decode(t, patched), decode(t, wantObject)) {
		t.Errorf("%s: the patch leads to\n%s\nwant\n%s", ref, patched, wantObject)
	}
}

// TestFixOfPages: what fix makes of a document is what the page says, passes
// check with nothing left to fix, and has every comment of the document, in
// its order, wherever it stood.
func TestFixOfPages(t *testing.T) {
	eachPage(t, func(t *testing.T, p page) {
		bad := p.documents("bad.yaml")
		for _, m := range p.Bad {
			document, comments := plant(t, bad[m.Doc])
			if comments < 5 {
				t.Fatalf("%s: only %d comments were planted in\n%s", m.Name, comments, document)
			}
			fixed, _ := run(t, document, append([]string{"fix", "-f", "-"}, p.flags...)...)
			at := 0
			for i := range comments {
				comment := fmt.Sprintf("# c%d.\n", i)
				found := strings.Index(fixed[at:], comment)
				if found < 0 {
					t.Errorf("%s: comment %d is gone, or out of order:\n%s", m.Name, i, fixed)
					break
				}
				at += found + len(comment)
			}
			got, err := yaml.YAMLToJSONStrict([]byte(fixed))
			if err != nil {
				t.Fatal(err)
			}
			want := p.settled(t, m).Object.Metadata().Raw()
			if page, ok := p.FixedOf(m); ok {
				want = page.JSON
			}
			if !reflect.DeepEqual(decode(t, got), decode(t, want)) {
				t.Errorf("%s: fixed, it is\n%s\nwant\n%s", m.Name, got, want)
			}
			if len(p.settled(t, m).Patch) == 0 && fixed != string(document) {
				t.Errorf("%s: with nothing to fix, it changed:\n%s", m.Name, fixed)
			}
			text, _ := run(t, []byte(fixed), append([]string{"check", "-o", "json", "-f", "-"}, p.flags...)...)
			if r := decodeContract(t, text)[0]; len(r.Patch) > 0 {
				t.Errorf("%s: fixed, there is still something to fix: %v", m.Name, r.Patch)
			} else if _, ok := p.FixedOf(m); ok && (r.Verdict != "allow" || len(r.Findings) > 0) {
				t.Errorf("%s: fixed, it gets %v", m.Name, r.Findings)
			}
		}
	})
}

// plant writes a comment behind each line and above it, and at the end, where
// that does not change what the document says.
func plant(t *testing.T, document []byte) (planted []byte, n int) {
	t.Helper()
	want, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		t.Fatal(err)
	}
	same := func(lines []string) bool {
		got, err := yaml.YAMLToJSONStrict([]byte(strings.Join(lines, "\n") + "\n"))
		return err == nil && bytes.Equal(got, want)
	}
	var done []string
	lines := strings.Split(strings.TrimSuffix(string(document), "\n"), "\n")
	for i, line := range lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		above := fmt.Sprintf("%s# c%d.", indent, n)
		if i > 0 && same(slices.Concat(done, []string{above}, lines[i:])) {
			done = append(done, above)
			n++
		}
		behind := fmt.Sprintf("%s  # c%d.", line, n)
		if same(slices.Concat(done, []string{behind}, lines[i+1:])) {
			line = behind
			n++
		}
		done = append(done, line)
	}
	done = append(done, fmt.Sprintf("# c%d.", n))
	return []byte(strings.Join(done, "\n") + "\n"), n + 1
}
