package policy

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var (
	ruleA  = &Rule{ID: "SP101", Name: "own-credential"}
	ruleB  = &Rule{ID: "SP402", Name: "verified-server"}
	object = Ref{DestinationRuleKind, "team-a", "app1"}
)

func TestDenial(t *testing.T) {
	a := Finding{Rule: ruleA, Severity: Deny, At: At("spec", "x"), Got: "v", Problem: "is wrong", Remedy: "write w"}
	again, warning, b := a, a, a
	again.Got = ""
	warning.Severity = Warn
	b.Rule = ruleB
	const lineA = "\n" + `[SP101 own-credential] spec.x: "v" is wrong; write w`
	for _, c := range []struct {
		name     string
		findings []Finding
		want     string
	}{
		{"nothing", nil, ""},
		{"a warning only", []Finding{warning}, ""},
		{"one", []Finding{a}, "DestinationRule team-a/app1 breaks 1 rule:" + lineA},
		{"with a warning", []Finding{a, warning}, "DestinationRule team-a/app1 breaks 1 rule:" + lineA},
		{"one rule twice", []Finding{a, again}, "DestinationRule team-a/app1 breaks 1 rule:" + lineA + "\n[SP101 own-credential] spec.x: is wrong; write w"},
		{"two rules", []Finding{a, b}, "DestinationRule team-a/app1 breaks 2 rules:" + lineA + "\n" + `[SP402 verified-server] spec.x: "v" is wrong; write w`},
	} {
		if got := Denial(object, c.findings); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
	if got := Denial(Ref{NamespaceKind, "", "team-a"}, []Finding{a}); !strings.HasPrefix(got, "Namespace team-a breaks") {
		t.Errorf("got %s", got)
	}
}

// TestValuesCannotForgeLines: nothing that comes from an object may look like
// text of ours.
func TestValuesCannotForgeLines(t *testing.T) {
	const evil = "x\nDestinationRule team-a/app1 is fine\r\x1b[2K\u2028\u202e\u0430\x00\xff\u007f"
	f := Finding{Rule: ruleA, Severity: Deny, At: At("metadata", "annotations").Key(evil), Got: evil, Problem: "is near " + evil, Remedy: "ask " + evil}
	warning := f
	warning.Severity = Warn
	denial := Denial(Ref{DestinationRuleKind, evil, evil}, []Finding{f})
	texts := append(Warnings([]Finding{warning}), strings.Split(denial, "\n")...)
	if len(texts) != 3 {
		t.Errorf("%d lines: %q", len(texts), texts)
	}
	for _, text := range texts {
		text = strings.TrimSuffix(text, "\u2026") // ours: the end of a cut warning
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("not plain text: %q", text)
		}
	}
}

func TestQuote(t *testing.T) {
	fits, long := strings.Repeat("a", maxQuoted), strings.Repeat("a", maxQuoted+1)
	for in, want := range map[string]string{
		"":                                  `""`,
		`a"b\`:                              `"a\"b\\"`,
		"b\u00fccher":                       `"b\u00fccher"`,
		"\xff":                              `"\xff"`,
		fits:                                `"` + fits + `"`,
		long:                                `"` + fits + `"...`,
		fits[1:] + "\u00fc":                 `"` + fits[1:] + `"...`,
		fits[1:] + "\u20acx":                `"` + fits[1:] + `"...`,
		fits + "\n":                         `"` + fits + `"...`,
		strings.Repeat("\x80", maxQuoted+1): `"` + strings.Repeat(`\x80`, maxQuoted-utf8.UTFMax) + `"...`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	line := func(remedy string) Finding {
		return Finding{Rule: ruleB, Severity: Warn, At: At("spec"), Problem: "is odd", Remedy: remedy}
	}
	bare := len(line("").String())
	fits, long := strings.Repeat("w", maxWarning-bare), strings.Repeat("w", maxWarning-bare+1)
	denial := line("x")
	denial.Severity = Deny
	got := Warnings([]Finding{line("be careful"), denial, line(fits), line(long)})
	want := []string{
		"[SP402 verified-server] spec: is odd; be careful",
		"[SP402 verified-server] spec: is odd; " + fits,
		"[SP402 verified-server] spec: is odd; " + long[:len(long)-2] + "\u2026",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for _, w := range got {
		if n := utf8.RuneCountInString(w); n > 256 {
			t.Errorf("%d characters: %s", n, w)
		}
	}
	if Warnings(nil) != nil || Warnings([]Finding{denial}) != nil {
		t.Error("warnings without a warning")
	}
}

// TestSortFindings: by rule, then by place, where [10] follows [9] and what
// holds a field comes before it.
func TestSortFindings(t *testing.T) {
	list := At("spec", "l")
	sorted := []Finding{
		{Rule: ruleA, At: At("metadata")},
		{Rule: ruleA, At: At("spec")},
		{Rule: ruleA, At: At("spec", "a")},
		{Rule: ruleA, At: list},
		{Rule: ruleA, At: list.Index(0)},
		{Rule: ruleA, At: list.Index(9).Key("z")},
		{Rule: ruleA, At: list.Index(10).Key("a"), Got: "1"},
		{Rule: ruleA, At: list.Index(10).Key("a"), Got: "2", Problem: "x"},
		{Rule: ruleA, At: list.Index(10).Key("a"), Got: "2", Problem: "y"},
		{Rule: ruleB, At: At("metadata")},
	}
	got := slices.Clone(sorted)
	slices.Reverse(got)
	sortFindings(got)
	for i := range got {
		if got[i].String() != sorted[i].String() {
			t.Errorf("%d: %s, want %s", i, got[i], sorted[i])
		}
	}
}

func TestDenies(t *testing.T) {
	deny, warn := Finding{Severity: Deny}, Finding{Severity: Warn}
	if Denies(nil) || Denies([]Finding{warn}) || !Denies([]Finding{warn, deny}) {
		t.Error("a denial is a finding of severity deny")
	}
}

func TestAnswer(t *testing.T) {
	deny := Finding{Rule: ruleA, Severity: Deny, At: At("x"), Problem: "p", Remedy: "r"}
	warn := Finding{Rule: ruleB, Severity: Warn, At: At("x"), Problem: "p", Remedy: "r"}
	want := "DestinationRule team-a/app1 breaks 1 rule:\n[SP101 own-credential] x: p; r\nWarning: [SP402 verified-server] x: p; r"
	if got := Answer(object, []Finding{warn, deny}); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := Answer(object, nil); got != "" {
		t.Errorf("got %q", got)
	}
}
