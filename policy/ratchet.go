package policy

import (
	"reflect"
	"strings"
)

// Ratchet softens those findings of an update that the object had before: what
// did not get worse is admitted with a warning, so that metadata, finalizers
// and deletions of old objects pass. What is new stays as it is.
func Ratchet(before, after []Finding) []Finding {
	had := map[string]int{}
	for _, f := range before {
		had[f.sameness()]++
	}
	ratcheted := make([]Finding, len(after))
	for i, f := range after {
		if key := f.sameness(); had[key] > 0 {
			had[key]--
			f.soften("as before this change")
		}
		ratcheted[i] = f
	}
	return ratcheted
}

// sameness is equal for findings that say the same of the same field. List
// positions do not count: an element that moved is no worse.
func (f Finding) sameness() string {
	var fields []string
	for _, step := range f.At {
		fields = append(fields, step.Key)
	}
	return strings.Join([]string{f.Rule.ID, strings.Join(fields, "/"), f.Got, f.Problem, f.Remedy}, "\x00")
}

// ReviewUpdate judges an object that takes the place of an older one.
func ReviewUpdate(rules []*Rule, config *Config, world World, old, object Object) []Finding {
	findings := Review(rules, config, world, object)
	if old == nil || !config.Ratchet || len(findings) == 0 {
		return findings
	}
	return Ratchet(Review(rules, config, world, old), findings)
}

// SettleUpdate settles an object that takes the place of an older one. An
// update that changes nothing that the rules read is not used to mend it:
// whoever removes a finalizer does not want to change a spec.
func SettleUpdate(rules []*Rule, config *Config, world World, old, object Object) (Settled, error) {
	if old != nil && sameInput(old, object) {
		return Settled{Object: object, Findings: ReviewUpdate(rules, config, world, old, object)}, nil
	}
	settled, err := Settle(rules, config, world, object)
	if err != nil {
		return Settled{}, err
	}
	settled.Findings = ReviewUpdate(rules, config, world, old, settled.Object)
	return settled, nil
}

// sameInput tells whether two versions of an object are the same to every
// rule: our types hold all that rules read, but for annotations of others.
func sameInput(old, object Object) bool {
	return reflect.DeepEqual(inputOf(old), inputOf(object))
}

// inputOf is a copy of the object without what changes on every write.
func inputOf(o Object) Object {
	copied := reflect.New(reflect.TypeOf(o).Elem())
	copied.Elem().Set(reflect.ValueOf(o).Elem())
	input := copied.Interface().(Object)
	m := input.Metadata()
	m.raw, m.DeletionTimestamp, m.GenerateName = nil, "", ""
	var own map[string]string
	for key, value := range m.Annotations {
		if strings.HasPrefix(key, "sallyport.dev/") {
			if own == nil {
				own = map[string]string{}
			}
			own[key] = value
		}
	}
	m.Annotations = own
	return input
}
