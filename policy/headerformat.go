package policy

import "strings"

// formatOperator returns the first part of a header value that Envoy would
// replace, or fail on, when it forwards the header. "" means that the value
// goes out as it stands.
//
// Envoy reads header values as format strings: "%%" is a percent sign, every
// other '%' starts an operator that ends at the next '%' outside of its
// parentheses (envoyproxy/envoy source/common/formatter/substitution_formatter.cc,
// SubstitutionFormatParser::parse). Istio passes the values on unchanged
// (istio.io/istio pilot/pkg/config/kube/gateway/conversion.go,
// createHeadersFilter).
func formatOperator(value string) string {
	if operator := legacyOperator(value); operator != "" {
		return operator
	}
	for {
		i := strings.IndexByte(value, '%')
		if i < 0 {
			return ""
		}
		value = value[i:]
		if !strings.HasPrefix(value, "%%") {
			return operatorAt(value)
		}
		value = value[2:]
	}
}

// legacyOperator finds what Envoy rewrites before it looks for "%%": it decodes
// the JSON list that these two operators once took, so that "\u0025" inside of
// an escaped one becomes a live percent sign (envoyproxy/envoy
// source/common/router/header_parser.cc, translateMetadataFormat).
func legacyOperator(value string) string {
	for _, name := range []string{"%DYNAMIC_METADATA(", "%UPSTREAM_METADATA("} {
		if i := strings.Index(value, name); i >= 0 {
			return operatorAt(value[i:])
		}
	}
	return ""
}

// operatorAt cuts the operator off that the value starts with, all of it when
// it does not end.
func operatorAt(value string) string {
	depth := 0
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '%':
			if depth <= 0 {
				return value[:i+1]
			}
		}
	}
	return value
}
