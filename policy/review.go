package policy

import "fmt"

// Review judges the object as it is. The findings are sorted by rule, then
// by field.
func Review(rules []*Rule, config *Config, world World, object Object) []Finding {
	pass := Pass{Config: config, World: world, object: object}
	for _, rule := range rules {
		pass.rule = rule
		rule.Check.run(&pass, object)
	}
	sortFindings(pass.findings)
	return config.enforce(pass.findings)
}

// ReviewDeletion judges the deletion of the object.
func ReviewDeletion(rules []*Rule, config *Config, world World, object Object) []Finding {
	pass := Pass{Config: config, World: world, object: object}
	for _, rule := range rules {
		pass.rule = rule
		rule.Delete.run(&pass, object)
	}
	sortFindings(pass.findings)
	return config.enforce(pass.findings)
}

// maxRounds bounds Settle: a fix may call for another one, but not for ever.
const maxRounds = 3

// Settled is the outcome of [Settle].
type Settled struct {
	// Object is the object with all fixes made.
	Object Object
	// Patch leads from the object as it was to Object. Empty when nothing is
	// to be changed.
	Patch []PatchOp
	// Edits are what Patch was made of.
	Edits []Edit
	// Findings are what is left.
	Findings []Finding
}

// Settle makes the fixes that the findings carry until there is none left. The
// object must come from [Decode]. It fails only when the rules contradict each
// other, which their tests rule out.
func Settle(rules []*Rule, config *Config, world World, object Object) (Settled, error) {
	original := object.Metadata().Raw()
	settled := Settled{Object: object}
	for round := 0; ; round++ {
		settled.Findings = Review(rules, config, world, settled.Object)
		fixes := fixesOf(settled.Findings)
		if len(fixes) == 0 {
			return settled, nil
		}
		if round == maxRounds {
			return Settled{}, fmt.Errorf("%s: fixes do not come to rest after %d rounds", RefOf(object), maxRounds)
		}
		settled.Edits = append(settled.Edits, fixes...)
		raw, patch, err := Apply(original, settled.Edits)
		if err != nil {
			return Settled{}, fmt.Errorf("%s: %w", RefOf(object), err)
		}
		if settled.Object, err = Decode(object.Kind(), raw); err != nil {
			return Settled{}, fmt.Errorf("%s after its fixes: %w", RefOf(object), err)
		}
		// The driver may have filled in a namespace that the JSON does not say.
		settled.Object.Metadata().Namespace = object.Metadata().Namespace
		settled.Patch = patch
	}
}

func fixesOf(findings []Finding) []Edit {
	var fixes []Edit
	for _, f := range findings {
		if !f.Exempt {
			fixes = append(fixes, f.Fix...)
		}
	}
	return fixes
}
