package policy

import (
	"strings"
	"testing"
)

// TestSyntheticRoundTrip takes apart what was put together.
func TestSyntheticRoundTrip(t *testing.T) {
	for _, suffix := range []Host{"invalid", "mapped.example.org"} {
		for _, want := range []Synthetic{
			{"app1", "team-a", "api.example.com"},
			{"a", "b", "c"},
			{"team-a", "team-a", "team-a.team-a"},
			{"app1", "team-a", "xn--bcher-kva.example"},
			{"app1", "team-a", "10.0.0.1"},
			{"invalid", "invalid", "invalid.example.com"},
			{strings.Repeat("a", 63), strings.Repeat("b", 63), Host(strings.Repeat("c", 63))},
		} {
			host := want.Host(suffix)
			got, err := ParseSynthetic(host, suffix)
			if err != nil || got != want {
				t.Errorf("ParseSynthetic(%q) = %+v, %v; want %+v", host, got, err, want)
			}
		}
	}
}

// TestSyntheticIsUnambiguous: whatever is accepted is the one spelling of what
// it was taken for.
func TestSyntheticIsUnambiguous(t *testing.T) {
	accepted := 0
	for _, name := range names("ab.*-A", 7) {
		h := Host(name + ".invalid")
		s, err := ParseSynthetic(h, "invalid")
		if err != nil {
			continue
		}
		accepted++
		if s.Host("invalid") != h || strings.ContainsAny(s.App+s.Namespace, ".*A") || strings.ContainsAny(string(s.Real), "*A") {
			t.Errorf("ParseSynthetic(%q) = %+v", h, s)
		}
	}
	if accepted == 0 {
		t.Error("nothing was accepted")
	}
}

func TestParseSyntheticErrors(t *testing.T) {
	for h, want := range map[Host]string{
		"":                          "is not below",
		"invalid":                   "is not below",
		"a.b.c.com":                 "is not below",
		"a.b.c.notinvalid":          "is not below",
		".invalid":                  "lacks one",
		"a.invalid":                 "lacks one",
		"a.b.invalid":               "lacks one",
		"*.invalid":                 "wildcard",
		"*.b.c.invalid":             "wildcard",
		"a.b.*.invalid":             "wildcard",
		"a.b.invalid.invalid":       "synthetic host as its real host",
		"a.b.c.d.e.invalid.invalid": "synthetic host as its real host",
		".b.c.invalid":              `part ""`,
		"a..c.invalid":              `part ""`,
		"a.b..invalid":              `part ""`,
		"a.b.c..d.invalid":          `part ""`,
		"A.b.c.invalid":             `part "A"`,
		"a_b.b.c.invalid":           `part "a_b"`,
		"a.-b.c.invalid":            `part "-b"`,
		"a.b.c-.invalid":            `part "c-"`,
		"a.b.c d.invalid":           `part "c d"`,
		Host("a.b." + strings.Repeat("c", 64) + ".invalid"):     "at most 63",
		Host("a.b." + strings.Repeat("c.", 120) + "dd.invalid"): "254 characters",
	} {
		_, err := ParseSynthetic(h, "invalid")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSynthetic(%q): %v; want %q", h, err, want)
		}
	}
	longest := Host("a.b." + strings.Repeat("c.", 120) + "d.invalid")
	if _, err := ParseSynthetic(longest, "invalid"); err != nil || len(longest) != 253 {
		t.Errorf("%d characters: %v", len(longest), err)
	}
}
