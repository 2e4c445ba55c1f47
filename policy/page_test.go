package policy

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the want files of the pages and cases")

type caseFile struct {
	*Case
	path  string
	world *Snapshot
}

// Snapshot is the World of the case, made once: rules do not change it.
func (c caseFile) Snapshot() *Snapshot { return c.world }

// allCases returns the pages and the further cases of every rule.
func allCases(t testing.TB) []caseFile {
	t.Helper()
	cases, err := loadCases()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

var loadCases = sync.OnceValues(func() ([]caseFile, error) {
	var cases []caseFile
	for _, pattern := range []string{"doc/*.txtar", "testdata/SP*/*.txtar"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			c, err := ParseCase(strings.TrimSuffix(path, ".txtar"), data)
			if err != nil {
				return nil, err
			}
			cases = append(cases, caseFile{c, path, c.Snapshot()})
		}
	}
	return cases, nil
})

// ruleOf returns the id of the rule that the file belongs to.
func (c caseFile) ruleOf() string {
	if dir := filepath.Base(filepath.Dir(c.path)); dir != "doc" {
		return dir
	}
	return filepath.Base(c.Name)
}

func TestCases(t *testing.T) {
	for _, c := range allCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			if c.Prose == "" {
				t.Error("a case needs prose that says what it shows")
			}
			got := strings.Join(slices.Concat(checkBad(t, c), checkBadDelete(t, c)), "\n")
			checkGood(t, c)
			checkGoodDelete(t, c)
			if *update {
				rewriteWant(t, c.path, got)
				return
			}
			if got != c.Want {
				t.Errorf("answers differ; if they are right, run go test -update\ngot:\n%s\nwant:\n%s", got, c.Want)
			}
		})
	}
}

// checkBad settles the bad objects and returns what the user is told. An
// object that can be repaired must come out as fixed.yaml says and gets the
// answer it would get were it not repaired; the others must still break the
// case's rule.
func checkBad(t *testing.T, c caseFile) []string {
	t.Helper()
	var answers []string
	for _, bad := range c.Bad {
		ref := RefOf(bad.Object)
		settled, err := Settle(Rules(), c.Config, c.Snapshot(), bad.Object)
		if err != nil {
			t.Fatal(err)
		}
		findings := settled.Findings
		if fixed, ok := c.FixedOf(bad); ok {
			if len(findings) > 0 {
				t.Errorf("%s: settled, it still gets: %s", ref, Answer(ref, findings))
			}
			if got, want := indent(t, settled.Object.Metadata().Raw()), indent(t, fixed.JSON); got != want {
				t.Errorf("%s: settled, it is\n%s\nwant\n%s", ref, got, want)
			}
			findings = Review(Rules(), c.Config, c.Snapshot(), bad.Object)
		}
		if !breaks(findings, c.ruleOf()) {
			t.Errorf("%s: does not break %s; it gets: %q", ref, c.ruleOf(), Answer(ref, findings))
		}
		answers = append(answers, Answer(ref, findings)+"\n")
	}
	return answers
}

// deletion judges the deletion of an object of the World.
func deletion(t *testing.T, c caseFile, named Manifest) (Ref, []Finding) {
	t.Helper()
	ref := RefOf(named.Object)
	held := c.Snapshot().Get(ref)
	if held == nil {
		t.Fatalf("%s: is not in the World, so that it cannot be deleted", ref)
	}
	return ref, ReviewDeletion(Rules(), c.Config, c.Snapshot(), held)
}

func checkBadDelete(t *testing.T, c caseFile) []string {
	t.Helper()
	var answers []string
	for _, bad := range c.BadDelete {
		ref, findings := deletion(t, c, bad)
		if !breaks(findings, c.ruleOf()) {
			t.Errorf("%s: its deletion does not break %s; it gets: %q", ref, c.ruleOf(), Answer(ref, findings))
		}
		answers = append(answers, Answer(ref, findings)+"\n")
	}
	return answers
}

func checkGoodDelete(t *testing.T, c caseFile) {
	t.Helper()
	for _, good := range c.GoodDelete {
		if ref, findings := deletion(t, c, good); len(findings) > 0 {
			t.Errorf("%s: may be deleted, yet gets %q", ref, Answer(ref, findings))
		}
	}
}

func checkGood(t *testing.T, c caseFile) {
	t.Helper()
	for _, good := range c.Good {
		if good.Object == nil {
			continue
		}
		settled, err := Settle(Rules(), c.Config, c.Snapshot(), good.Object)
		if err != nil {
			t.Fatal(err)
		}
		if len(settled.Patch) > 0 || len(settled.Findings) > 0 {
			t.Errorf("%s: wants no change and no finding, gets patch %v and %q", RefOf(good.Object), settled.Patch, Answer(RefOf(good.Object), settled.Findings))
		}
	}
}

func breaks(findings []Finding, id string) bool {
	for _, f := range findings {
		if f.Rule.ID == id {
			return true
		}
	}
	return false
}

func rewriteWant(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(data)
	for i := range archive.Files {
		if archive.Files[i].Name == "want" {
			archive.Files[i].Data = []byte(want)
		}
	}
	if formatted := txtar.Format(archive); !bytes.Equal(formatted, data) {
		if err := os.WriteFile(path, formatted, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// indent makes two JSON objects comparable.
func indent(t *testing.T, data []byte) string {
	t.Helper()
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPages: every rule has a page that is complete, and no page is orphaned.
func TestPages(t *testing.T) {
	orphans := map[string]bool{}
	paths, err := filepath.Glob("doc/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		orphans[strings.TrimSuffix(filepath.Base(path), ".txtar")] = true
	}
	for _, rule := range Rules() {
		page, err := PageOf(rule.ID)
		if err != nil {
			t.Error(err)
			continue
		}
		delete(orphans, rule.ID)
		if len(page.Bad)+len(page.BadDelete) == 0 || len(page.Good)+len(page.GoodDelete) == 0 || page.Want == "" {
			t.Errorf("%s: the page needs bad.yaml, want and good.yaml, or those of deletions", rule.ID)
		}
	}
	for id := range orphans {
		t.Errorf("doc/%s belongs to no rule", id)
	}
	dirs, err := filepath.Glob("testdata/SP*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if _, err := PageOf(filepath.Base(dir)); err != nil {
			t.Errorf("%s belongs to no rule", dir)
		}
	}
}
