package policy

import "fmt"

func noFormatOperators() *Rule {
	return &Rule{
		ID:       "SP301",
		Name:     "no-format-operators",
		Title:    "Header values on the egress path are plain text: nothing for Envoy to fill in.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind},
		Check:    Checks{HTTPRoute: checkNoFormatOperators},
	}
}

func checkNoFormatOperators(p *Pass, r *HTTPRoute) {
	if !leavesByWaypoint(p, r) {
		return
	}
	for at, header := range r.headers() {
		if operator := formatOperator(header.Value); operator != "" {
			p.Report(Finding{
				At: at.Key("value"), Got: operator,
				Problem: fmt.Sprintf("is an instruction to Envoy, which would fill the header %s itself, for instance with the caller's identity", quote(header.Name)),
				Remedy:  `write plain text, with "%%" for a percent sign`,
			})
		}
	}
}
