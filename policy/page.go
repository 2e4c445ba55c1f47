package policy

import (
	"embed"
	"fmt"
	"strings"

	"golang.org/x/tools/txtar"
)

//go:embed doc/*.txtar
var pages embed.FS

// Case is a page of a rule, or a further case of it: prose, and objects with
// the answers that they must get.
type Case struct {
	Name  string
	Prose string
	// Config is the default one unless the case has a config.yaml.
	Config *Config
	// World holds what the cluster holds already.
	World []Manifest
	// Bad objects break a rule. Want has the answer to each of them.
	Bad  []Manifest
	Want string
	// Fixed has the settled form of those Bad objects that can be repaired.
	Fixed []Manifest
	// Good objects are admitted as they are, without a word.
	Good []Manifest
	// BadDelete names objects of the World that are not let go. Want has the
	// answers after those to Bad. GoodDelete names some that are.
	BadDelete, GoodDelete []Manifest
	// Source is the text of the files, by name.
	Source map[string]string
}

// PageOf returns the page of a rule.
func PageOf(id string) (*Case, error) {
	data, err := pages.ReadFile("doc/" + id + ".txtar")
	if err != nil {
		return nil, fmt.Errorf("there is no page for %q", id)
	}
	return ParseCase(id, data)
}

// ParseCase reads a case in the txtar format. Unknown files are errors.
func ParseCase(name string, data []byte) (*Case, error) {
	archive := txtar.Parse(data)
	c := &Case{Name: name, Prose: strings.TrimSpace(string(archive.Comment)), Config: DefaultConfig(), Source: map[string]string{}}
	for _, f := range archive.Files {
		var err error
		switch f.Name {
		case "config.yaml":
			c.Config, err = LoadConfig(f.Name, f.Data, "")
		case "world.yaml":
			c.World, err = ReadManifests(f.Data, "default")
		case "bad.yaml":
			c.Bad, err = ReadManifests(f.Data, "default")
		case "fixed.yaml":
			c.Fixed, err = ReadManifests(f.Data, "default")
		case "good.yaml":
			c.Good, err = ReadManifests(f.Data, "default")
		case "bad-delete.yaml":
			c.BadDelete, err = ReadManifests(f.Data, "default")
		case "good-delete.yaml":
			c.GoodDelete, err = ReadManifests(f.Data, "default")
		case "want":
			c.Want = string(f.Data)
		default:
			err = fmt.Errorf("is not a file of a case")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, f.Name, err)
		}
		c.Source[f.Name] = string(f.Data)
	}
	return c, nil
}

// Snapshot is the World of the case.
func (c *Case) Snapshot() *Snapshot {
	world := &Snapshot{}
	for _, m := range c.World {
		if m.Object != nil {
			world.Put(m.Object)
		}
	}
	return world
}

// FixedOf returns the settled form of a Bad object, if it can be repaired.
func (c *Case) FixedOf(bad Manifest) (fixed Manifest, ok bool) {
	for _, f := range c.Fixed {
		if RefOf(f.Object) == RefOf(bad.Object) {
			return f, true
		}
	}
	return Manifest{}, false
}

// Answer is what the user is told about an object: the denial, then warnings
// as kubectl prints them.
func Answer(object Ref, findings []Finding) string {
	var lines []string
	if denial := Denial(object, findings); denial != "" {
		lines = append(lines, denial)
	}
	for _, w := range Warnings(findings) {
		lines = append(lines, "Warning: "+w)
	}
	return strings.Join(lines, "\n")
}
