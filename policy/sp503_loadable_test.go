package policy

import (
	"strings"
	"testing"
)

func TestRegexProblem(t *testing.T) {
	for _, good := range []string{
		".*", "/v[0-9]+/.*", "^a$", "(?i)abc", "(?P<name>a)", `\d+\.\w+`, "[[:alpha:]]+", `\pL+`, `\p{Greek}`, `\p{^Lu}`, `\PN`, `\p{Any}`,
		`\Q\p{Letter}\E`, `a{1,1000}`, "[^/]{1,255}", ".{0,1000}", "a||b", `\x{10FFFF}`, strings.Repeat("a", 4096), `\\p{2}`,
	} {
		if problem := regexProblem(good); problem != "" {
			t.Errorf("%q %s", good, problem)
		}
	}
	for bad, want := range map[string]string{
		"":                               "empty",
		"(":                              "missing closing )",
		"*":                              "missing argument",
		"a**":                            "nested repetition",
		"a{1001}":                        "repeat count",
		"(a{100}){100}":                  "repeat count",
		"(?=a)":                          "Perl",
		`(a)\1`:                          "escape",
		`\C`:                             "escape",
		`\p{Letter}`:                     "class",
		`\p{lu}`:                         "class",
		`\P{LC}`:                         "class",
		`\Q\E\p{Letter}`:                 "class",
		`\p{L`:                           "range",
		`\pL{1000}`:                      "large",
		".{1000}.{1000}":                 "large",
		strings.Repeat("(?i)a{1000}", 9): "large",
		strings.Repeat("(", 2000) + strings.Repeat(")", 2000): "deeply",
	} {
		if problem := regexProblem(bad); !strings.Contains(problem, want) {
			t.Errorf("%q %s; want %s", bad, problem, want)
		}
	}
}
