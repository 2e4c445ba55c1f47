package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Severity says what a finding does to a request.
type Severity string

const (
	// Deny refuses the request.
	Deny Severity = "deny"
	// Warn admits the request and tells the user.
	Warn Severity = "warn"
)

// Finding is one place where an object breaks a rule.
type Finding struct {
	Rule     *Rule
	Severity Severity
	Object   Ref
	At       Path
	// Got is the offending value, "" when the point is that there is none.
	Got string
	// Problem continues the sentence that the field and the value begin, and
	// Remedy tells what to write instead. Both are lower case without a full
	// stop and never name another tenant's objects.
	Problem string
	Remedy  string
	// Fix repairs the field without a choice of the user's being changed. Empty
	// when only the user can tell what was meant.
	Fix []Edit
	// Note is what the configuration or the object's past say to it, and Exempt
	// is true when an exemption made a warning of it.
	Note   string
	Exempt bool
	// Others are further objects that the finding rests on. For logs and
	// audits, not for the user.
	Others []Ref
}

// maxQuoted bounds, in bytes, how much of a value a message repeats.
const maxQuoted = 300

// String is the finding's line in a denial:
//
//	[SP101 own-credential] spec.x: "value" is wrong; write "this"
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString("[" + f.Rule.ID + " " + f.Rule.Name)
	if f.Note != "" {
		b.WriteString(", " + f.Note)
	}
	b.WriteString("] " + f.At.String() + ": ")
	if f.Got != "" {
		b.WriteString(quote(f.Got) + " ")
	}
	b.WriteString(f.Problem + "; " + f.Remedy)
	return oneLine(b.String())
}

// quote makes a value safe to print. Control characters are escaped, so that
// it cannot forge a line of a log, and letters outside of ASCII, so that
// look-alikes are seen. Long values are cut.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.QuoteToASCII(s)
	}
	end := maxQuoted
	for end > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return strconv.QuoteToASCII(s[:end]) + "..."
}

// oneLine escapes in the same way what was not quoted, such as names: in a
// file, an object can be called anything.
func oneLine(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= ' ' && r <= '~' {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

// Denies tells whether any of the findings refuses the request.
func Denies(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Deny })
}

// OfSeverity returns the findings of this severity.
func OfSeverity(findings []Finding, severity Severity) []Finding {
	var kept []Finding
	for _, f := range findings {
		if f.Severity == severity {
			kept = append(kept, f)
		}
	}
	return kept
}

// Denial is the text that refuses an object, one line for each Deny finding,
// "" when there is none.
func Denial(object Ref, findings []Finding) string {
	denied := OfSeverity(findings, Deny)
	if len(denied) == 0 {
		return ""
	}
	broken := map[string]bool{}
	lines := make([]string, 0, len(denied)+1)
	for _, f := range denied {
		broken[f.Rule.ID] = true
		lines = append(lines, f.String())
	}
	rules := "1 rule"
	if len(broken) > 1 {
		rules = strconv.Itoa(len(broken)) + " rules"
	}
	head := oneLine(object.String()) + " breaks " + rules + ":"
	return strings.Join(append([]string{head}, lines...), "\n")
}

// maxWarning is the length above which API clients and proxies may drop
// warnings (k8s.io/api admission/v1 AdmissionResponse.Warnings), in characters.
const maxWarning = 256

// Warnings returns a line for each Warn finding.
func Warnings(findings []Finding) []string {
	var lines []string
	for _, f := range OfSeverity(findings, Warn) {
		line := []rune(f.String())
		if len(line) > maxWarning {
			line = append(line[:maxWarning-1], '…')
		}
		lines = append(lines, string(line))
	}
	return lines
}

func sortFindings(findings []Finding) {
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Rule.ID, b.Rule.ID),
			comparePaths(a.At, b.At),
			cmp.Compare(a.Got, b.Got),
			cmp.Compare(a.Problem, b.Problem),
		)
	})
}

// comparePaths orders list elements by number, so that [10] follows [9].
func comparePaths(a, b Path) int {
	return slices.CompareFunc(a, b, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Index, b.Index))
	})
}
