package policy

import (
	"strings"
	"testing"
)

func TestParseHost(t *testing.T) {
	for in, want := range map[string]Host{
		"":                        "",
		"a.com":                   "a.com",
		"A.Com":                   "a.com",
		"a.com.":                  "a.com",
		"a.com...":                "a.com",
		" a.com\t\n":              "a.com",
		"\u00a0a.com.\u2003":      "a.com",
		"*.A.com":                 "*.a.com",
		"*":                       "*",
		".":                       "",
		".a":                      ".a",
		"a com":                   "a com",
		"\u212aa.com":             "ka.com", // the Kelvin sign, whose lower case is k
		"a\x00.com":               "a\x00.com",
		"b\u00dccher.example":     "b\u00fccher.example",
		"a.com\u3002":             "a.com\u3002", // no dot to istiod either
		"\ufeffa.com":             "\ufeffa.com",
		"a.inv\u0430lid":          "a.inv\u0430lid",
		strings.Repeat("A", 1000): Host(strings.Repeat("a", 1000)),
	} {
		if got := ParseHost(in); got != want {
			t.Errorf("ParseHost(%q) = %q, want %q", in, got, want)
		}
	}
}

// names returns all strings of the alphabet up to a length.
func names(alphabet string, length int) []string {
	all := []string{""}
	for start := 0; length > 0; length-- {
		end := len(all)
		for _, shorter := range all[start:end] {
			for _, c := range alphabet {
				all = append(all, shorter+string(c))
			}
		}
		start = end
	}
	return all
}

// standsFor is Istio's definition of a wildcard, written anew and without any
// cleverness: the star stands for the first characters of the name.
func standsFor(pattern, name string) bool {
	if pattern == "" || pattern[0] != '*' {
		return pattern == name
	}
	for i := 0; i <= len(name); i++ {
		if name[i:] == pattern[1:] {
			return true
		}
	}
	return false
}

// TestCoversAndOverlaps compares both with the sets of names that hosts stand
// for. Names that are longer than the patterns tell any two of them apart.
func TestCoversAndOverlaps(t *testing.T) {
	universe := names("ab.", 5)
	var patterns []string
	for _, name := range names("ab.", 3) {
		patterns = append(patterns, name, "*"+name)
	}
	for _, p := range patterns {
		for _, q := range patterns {
			covers, overlaps := true, false
			for _, name := range universe {
				inP, inQ := standsFor(p, name), standsFor(q, name)
				covers = covers && (inP || !inQ)
				overlaps = overlaps || inP && inQ
			}
			if got := Host(p).Covers(Host(q)); got != covers {
				t.Errorf("%q.Covers(%q) = %t", p, q, got)
			}
			if got := Host(p).Overlaps(Host(q)); got != overlaps {
				t.Errorf("%q.Overlaps(%q) = %t", p, q, got)
			}
		}
	}
}

func TestUnderAndReaches(t *testing.T) {
	for _, c := range []struct {
		host           Host
		under, reaches bool
	}{
		{"a.invalid", true, true},
		{"a.b.invalid", true, true},
		{"*.a.invalid", true, true},
		{"*a.invalid", true, true},
		{"*.invalid", true, true},
		{"*invalid", false, true},
		{"*lid", false, true},
		{"*", false, true},
		{"invalid", false, false},
		{"ainvalid", false, false},
		{"*ainvalid", false, false},
		{"a.invalid.com", false, false},
		{"*.com", false, false},
		{"a.invalidd", false, false},
		{"", false, false},
	} {
		if got := c.host.Under("invalid"); got != c.under {
			t.Errorf("%q.Under = %t", c.host, got)
		}
		if got := c.host.Reaches("invalid"); got != c.reaches {
			t.Errorf("%q.Reaches = %t", c.host, got)
		}
	}
}
