package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Enforcement and exemptions come from the platform's configuration alone.
// They change what a finding does, never what a rule sees: nothing that a
// tenant can write has a say in them.

// Action is what the findings of a rule do in a namespace.
type Action string

const (
	ActionDeny Action = "deny" // as the rule says
	ActionWarn Action = "warn" // warn instead of denying
	ActionOff  Action = "off"  // nothing, not even a repair
)

// Enforcement sets the action of rules in namespaces. Where none applies, the
// action is deny.
type Enforcement struct {
	Action Action `yaml:"action"`
	// Rules are ids. Empty means all.
	Rules []string `yaml:"rules"`
	// Namespaces are names, with '*' for any part of one. Empty means all.
	Namespaces []string `yaml:"namespaces"`
}

// Exemption lets one rule pass for the objects of one name until a day.
type Exemption struct {
	Rule      string `yaml:"rule"`
	Namespace string `yaml:"namespace"`
	Name      string `yaml:"name"`
	Reason    string `yaml:"reason"`
	// Expires is the first day, in UTC, on which it no longer counts: 2026-12-31.
	Expires string `yaml:"expires"`
}

// enforce applies the configuration to the findings on an object.
func (c *Config) enforce(findings []Finding) []Finding {
	if len(c.Enforcement) == 0 && len(c.Exemptions) == 0 {
		return findings
	}
	var kept []Finding
	for _, f := range findings {
		switch c.actionOf(f) {
		case ActionOff:
			continue
		case ActionWarn:
			f.soften("not enforced here")
		case ActionDeny:
			c.exempt(&f)
		}
		kept = append(kept, f)
	}
	return kept
}

// soften makes a warning of a denial and says why.
func (f *Finding) soften(why string) {
	if f.Severity == Deny {
		f.Severity = Warn
		f.Note = why
	}
}

func (c *Config) actionOf(f Finding) Action {
	for _, e := range c.Enforcement {
		if e.covers(f.Rule.ID, f.Object.Namespace) {
			return e.Action
		}
	}
	return ActionDeny
}

func (e Enforcement) covers(rule, namespace string) bool {
	return (len(e.Rules) == 0 || slices.Contains(e.Rules, rule)) &&
		(len(e.Namespaces) == 0 || slices.ContainsFunc(e.Namespaces, func(glob string) bool { return globsOverlap(glob, namespace) }))
}

// overlaps tells whether both would set the action of some rule somewhere.
func (e Enforcement) overlaps(o Enforcement) bool {
	sameRule := len(e.Rules) == 0 || len(o.Rules) == 0 || slices.ContainsFunc(e.Rules, func(id string) bool { return slices.Contains(o.Rules, id) })
	sameNamespace := len(e.Namespaces) == 0 || len(o.Namespaces) == 0 || slices.ContainsFunc(e.Namespaces, func(a string) bool {
		return slices.ContainsFunc(o.Namespaces, func(b string) bool { return globsOverlap(a, b) })
	})
	return sameRule && sameNamespace
}

// exempt softens the finding by the exemption for it, or notes that it expired.
func (c *Config) exempt(f *Finding) {
	for _, e := range c.Exemptions {
		if e.Rule != f.Rule.ID || e.Namespace != f.Object.Namespace || e.Name != f.Object.Name {
			continue
		}
		if c.expired(e) {
			f.Note = "its exemption expired on " + e.Expires
			return
		}
		if f.Severity == Deny {
			f.soften("exempt until " + e.Expires + ": " + e.Reason)
			f.Exempt = true
		}
		return
	}
}

func (c *Config) expired(e Exemption) bool {
	return c.today != "" && e.Expires <= c.today // dates in ISO 8601 sort as text
}

// On is the configuration as it stands on a day, written 2026-12-31 in UTC.
// There is no other way for the time to reach a decision.
func (c *Config) On(day string) *Config {
	if len(c.Exemptions) == 0 || c.today == day {
		return c
	}
	on := *c
	on.today = day
	return &on
}

var dayFormat = regexp.MustCompile(`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$`)

func (c *Config) enforcementProblem(today string) *configProblem {
	for i, e := range c.Enforcement {
		at := At("enforcement").Index(i)
		if !slices.Contains([]Action{ActionDeny, ActionWarn, ActionOff}, e.Action) {
			return &configProblem{at.Key("action"), fmt.Sprintf("%q is not one of deny, warn, off", e.Action)}
		}
		for j, id := range e.Rules {
			if !isRule(id) {
				return &configProblem{at.Key("rules").Index(j), unknownRule(id)}
			}
		}
		for j, glob := range e.Namespaces {
			if !isNamespaceGlob(glob) {
				return &configProblem{at.Key("namespaces").Index(j), fmt.Sprintf("%q is not the name of a namespace with '*' for any part of it", glob)}
			}
		}
		for j, earlier := range c.Enforcement[:i] {
			if earlier.overlaps(e) {
				return &configProblem{at, fmt.Sprintf("overlaps with enforcement[%d]; let each rule have one action in each namespace", j)}
			}
		}
	}
	for i, e := range c.Exemptions {
		if problem := c.exemptionProblem(At("exemptions").Index(i), e, today); problem != nil {
			return problem
		}
		for j, earlier := range c.Exemptions[:i] {
			if earlier.Rule == e.Rule && earlier.Namespace == e.Namespace && earlier.Name == e.Name {
				return &configProblem{At("exemptions").Index(i), fmt.Sprintf("is for the same as exemptions[%d]; keep one", j)}
			}
		}
	}
	return nil
}

func (c *Config) exemptionProblem(at Path, e Exemption, today string) *configProblem {
	switch {
	case !isRule(e.Rule):
		return &configProblem{at.Key("rule"), unknownRule(e.Rule)}
	case e.Namespace == "" || !isNamespaceGlob(e.Namespace) || strings.Contains(e.Namespace, "*"):
		return &configProblem{at.Key("namespace"), fmt.Sprintf("%q is not the name of a namespace", e.Namespace)}
	case !isName(e.Name):
		return &configProblem{at.Key("name"), fmt.Sprintf("%q is not the name of an object", e.Name)}
	case strings.TrimSpace(e.Reason) == "":
		return &configProblem{at.Key("reason"), "is missing; say why, for whoever finds this in a year"}
	case !dayFormat.MatchString(e.Expires):
		return &configProblem{at.Key("expires"), fmt.Sprintf("%q is not a day; write it like 2026-12-31", e.Expires)}
	case today != "" && e.Expires <= today:
		return &configProblem{at.Key("expires"), fmt.Sprintf("%s is over; remove the exemption or choose a later day", e.Expires)}
	}
	return nil
}

func isRule(id string) bool {
	return slices.ContainsFunc(Rules(), func(r *Rule) bool { return r.ID == id })
}

func unknownRule(id string) string {
	return fmt.Sprintf("%q is not the id of a rule; `sallyport explain` lists them", id)
}

func isNamespaceGlob(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-*") == ""
}

// globsOverlap tells whether some name matches both patterns, in which '*'
// stands for any text. A plain name is a pattern that matches itself alone.
func globsOverlap(a, b string) bool {
	switch {
	case a == "" && b == "":
		return true
	case strings.HasPrefix(a, "*"):
		return globsOverlap(a[1:], b) || b != "" && globsOverlap(a, b[1:])
	case strings.HasPrefix(b, "*"):
		return globsOverlap(b, a)
	}
	return a != "" && b != "" && a[0] == b[0] && globsOverlap(a[1:], b[1:])
}
