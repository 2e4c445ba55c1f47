package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"sallyport.dev/e2e/cluster"
	"sallyport.dev/e2e/guard"
)

// tour runs stops and compares the answers with what is expected.
type tour struct {
	repository string
	users      map[string]*cluster.User
	colour     bool
	stops      int
}

// stop is one kubectl command.
type stop struct {
	say       string
	as        string // "platform", or a tenant's namespace
	args      []string
	manifest  string // for stdin, shown to the reader
	file      string // relative to the repository, instead of manifest
	refused   string // text of the denial; "" means the command must succeed
	stored    string // kind/name whose stored form is compared with the file
	namespace string // where it is stored
	silent    bool   // the command must print nothing
	unchanged bool   // the objects of the file must keep their resourceVersion
}

func newTour(ctx context.Context, c *cluster.Cluster) (*tour, error) {
	repository, err := guard.Repository()
	if err != nil {
		return nil, err
	}
	t := &tour{repository: repository, users: map[string]*cluster.User{"platform": c.Admin}, colour: terminal()}
	for _, namespace := range []string{"team-namespace", "team-a", "team-b"} {
		if t.users[namespace], err = c.Tenant(ctx, namespace); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// terminal tells whether the reader sits in front of one that shows colours.
func terminal() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

func (t *tour) walk(ctx context.Context) error {
	for _, chapter := range chapters() {
		fmt.Printf("\n%s\n%s\n", t.bold(chapter.title), strings.Repeat("=", len(chapter.title)))
		for _, s := range chapter.stops {
			if err := t.show(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tour) show(ctx context.Context, s stop) error {
	t.stops++
	fmt.Printf("\n%d. %s\n", t.stops, s.say)
	stdin, args := s.manifest, slices.Clone(s.args)
	command := "kubectl " + strings.Join(args, " ")
	switch {
	case s.file != "":
		path := filepath.Join(t.repository, s.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		stdin = string(text)
		command += " -f " + s.file
		args = append(args, "-f", path)
	case s.manifest != "":
		command += " -f - <<EOF\n" + strings.TrimSpace(s.manifest) + "\nEOF"
		args = append(args, "-f", "-")
	}
	fmt.Printf("\n%s$ %s\n", t.dim("["+s.as+"] "), command)
	before := t.versions(ctx, s)
	result := t.users[s.as].Kubectl(ctx, stdin, args...)
	if result.Err != nil {
		return result.Err
	}
	t.print(result, s.refused != "")
	if s.unchanged {
		after := t.versions(ctx, s)
		fmt.Printf("\nresourceVersions before: %s, after: %s\n", before, after)
		if before != after {
			return fmt.Errorf("stop %d: something was stored", t.stops)
		}
	}
	if err := s.judge(result); err != nil {
		return fmt.Errorf("stop %d: %w", t.stops, err)
	}
	if s.stored == "" {
		return nil
	}
	return t.showStored(ctx, s, stdin)
}

// versions lists the resourceVersions of the objects of the stop's file.
func (t *tour) versions(ctx context.Context, s stop) string {
	if !s.unchanged {
		return ""
	}
	return t.users[s.as].Kubectl(ctx, "", "get", "-f", filepath.Join(t.repository, s.file), "-o", "jsonpath={.items[*].metadata.resourceVersion}").Stdout
}

func (s stop) judge(result cluster.Result) error {
	switch {
	case s.refused == "" && result.ExitCode != 0:
		return fmt.Errorf("kubectl failed, but was to succeed")
	case s.refused != "" && result.ExitCode == 0:
		return fmt.Errorf("kubectl succeeded, but was to be refused")
	case s.refused != "" && !strings.Contains(result.Stderr, s.refused):
		return fmt.Errorf("the refusal does not say %q", s.refused)
	case s.silent && result.Stdout+result.Stderr != "":
		return fmt.Errorf("kubectl printed something, but was to print nothing")
	}
	return nil
}

func (t *tour) print(result cluster.Result, refused bool) {
	colour := t.green
	if refused {
		colour = t.red
	}
	for line := range strings.Lines(result.Stdout + result.Stderr) {
		fmt.Println(colour(strings.TrimRight(line, "\n")))
	}
	if result.Stdout+result.Stderr == "" {
		fmt.Println(t.dim("(no output)"))
	}
}

// showStored prints how the stored object differs from what was sent.
func (t *tour) showStored(ctx context.Context, s stop, sent string) error {
	result := t.users[s.as].Kubectl(ctx, "", "get", s.stored, "-n", s.namespace, "-o", "yaml")
	if result.ExitCode != 0 {
		return fmt.Errorf("get %s: %s", s.stored, result.Stderr)
	}
	kind, name, _ := strings.Cut(s.stored, "/")
	before, err := fieldsOf(sent, kind, name)
	if err != nil {
		return err
	}
	after, err := fieldsOf(result.Stdout, kind, name)
	if err != nil {
		return err
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(before), B: difflib.SplitLines(after), FromFile: "sent", ToFile: "stored", Context: 2,
	})
	if err != nil {
		return err
	}
	if diff == "" {
		return fmt.Errorf("%s was to be completed, but is stored as sent", s.stored)
	}
	fmt.Printf("\nWhat sallyport completed in %s:\n", s.stored)
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "+"):
			line = t.green(line)
		case strings.HasPrefix(line, "-"):
			line = t.red(line)
		}
		fmt.Println("  " + line)
	}
	return nil
}

// fieldsOf returns the object of a YAML file without what the API server adds.
func fieldsOf(file, kind, name string) (string, error) {
	for document := range strings.SplitSeq(file, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return "", err
		}
		if !strings.EqualFold(object.GetKind(), kind) || object.GetName() != name {
			continue
		}
		for _, field := range []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid", "annotations"} {
			unstructured.RemoveNestedField(object.Object, "metadata", field)
		}
		unstructured.RemoveNestedField(object.Object, "status")
		text, err := yaml.Marshal(object.Object)
		return string(text), err
	}
	return "", fmt.Errorf("there is no %s %s", kind, name)
}

func (t *tour) paint(code, s string) string {
	if !t.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *tour) bold(s string) string  { return t.paint("1", s) }
func (t *tour) dim(s string) string   { return t.paint("2", s) }
func (t *tour) red(s string) string   { return t.paint("31", s) }
func (t *tour) green(s string) string { return t.paint("32", s) }
