package policy

import (
	"strings"
	"testing"
)

func TestFormatOperator(t *testing.T) {
	for value, want := range map[string]string{
		"":                                  "",
		"plain text, (even) {with} $signs":  "",
		"50%%":                              "",
		"%%REQ(x)%%":                        "",
		"%%%%":                              "",
		"%REQ(x)%":                          "%REQ(x)%",
		"a%REQ(x):10%b%REQ(y)%":             "%REQ(x):10%",
		"%%%REQ(x)%":                        "%REQ(x)%",
		"%REQ(%%source.principal%%)%":       "%REQ(%%source.principal%%)%",
		"%START_TIME(%Y-%m)%":               "%START_TIME(%Y-%m)%",
		"%":                                 "%",
		"100%":                              "%",
		"%%%":                               "%",
		"% off":                             "% off",
		"%REQ(x":                            "%REQ(x",
		"%REQ(x%":                           "%REQ(x%",
		"%)%":                               "%)%",
		"%A((x)%y)% z":                      "%A((x)%y)%",
		"%\x00%":                            "%\x00%",
		"%%DYNAMIC_METADATA([\"a\"])%% x":   `%DYNAMIC_METADATA(["a"])%`,
		"%%UPSTREAM_METADATA([\"a\"])%%":    `%UPSTREAM_METADATA(["a"])%`,
		"%REQ(x)% %%DYNAMIC_METADATA([])%%": "%DYNAMIC_METADATA([])%",
		"DYNAMIC_METADATA([])":              "",
		"%%dynamic_metadata([])%%":          "",
	} {
		if got := formatOperator(value); got != want {
			t.Errorf("formatOperator(%q) = %q, want %q", value, got, want)
		}
	}
}

// TestFormatOperatorFindsEveryPercentSign: a value is plain if, and only if,
// nothing is left of its percent signs once pairs are taken away from the left.
func TestFormatOperatorFindsEveryPercentSign(t *testing.T) {
	for _, value := range names("%a()", 7) {
		operator := formatOperator(value)
		plain := !strings.Contains(strings.ReplaceAll(value, "%%", ""), "%")
		if (operator == "") != plain {
			t.Errorf("formatOperator(%q) = %q", value, operator)
		}
		if operator != "" && (operator[0] != '%' || !strings.Contains(value, operator)) {
			t.Errorf("formatOperator(%q) = %q, which is no part of it", value, operator)
		}
	}
}
