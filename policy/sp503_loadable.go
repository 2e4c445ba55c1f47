package policy

import (
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

func loadable() *Rule {
	return &Rule{
		ID:       "SP503",
		Name:     "loadable",
		Title:    "What reaches the listener that all tenants share is what Envoy can load.",
		Severity: Deny,
		Reads:    []Kind{NamespaceKind, ServiceEntryKind, VirtualServiceKind},
		Check:    Checks{GRPCRoute: checkLoadable, HTTPRoute: checkLoadable, VirtualService: checkVirtualServiceLoadable},
	}
}

const frozen = ", for which Envoy refuses the listener of all tenants"

func checkLoadable(p *Pass, r *Route) {
	if !attachesToEgress(p, r) {
		return
	}
	for i, rule := range r.Spec.Rules {
		for j, match := range rule.Matches {
			checkMatchRegexes(p, r.kind, At("spec", "rules").Index(i).Key("matches").Index(j), match)
		}
	}
	for at, filter := range r.filters() {
		checkRemoved(p, at.Key("requestHeaderModifier"), filter.RequestHeaderModifier)
		checkRemoved(p, at.Key("responseHeaderModifier"), filter.ResponseHeaderModifier)
		checkPathFilter(p, at.Key("requestRedirect"), filter.RequestRedirect)
		checkPathFilter(p, at.Key("urlRewrite"), filter.URLRewrite)
	}
}

func checkMatchRegexes(p *Pass, kind Kind, at Path, match RouteMatch) {
	if match.Path != nil && match.Path.Type == regexMatch && match.Path.Value != nil {
		checkRegex(p, at.Key("path", "value"), *match.Path.Value)
	}
	for i, h := range match.Headers {
		if h.Type == regexMatch {
			checkStringRegex(p, at.Key("headers").Index(i).Key("value"), h.Value)
		}
	}
	for i, q := range match.QueryParams {
		if q.Type == regexMatch {
			checkStringRegex(p, at.Key("queryParams").Index(i).Key("value"), q.Value)
		}
	}
	if kind == GRPCRouteKind {
		checkGRPCMethod(p, at.Key("method"), match.grpcMethod())
	}
}

// checkGRPCMethod judges the expression that istiod makes of a method
// (istio.io/istio pilot/pkg/config/kube/gateway/conversion.go,
// createGRPCURIMatch). A method alone becomes one even as an exact match.
func checkGRPCMethod(p *Pass, at Path, m grpcMethod) {
	switch {
	case m == (grpcMethod{}) || m.Type != regexMatch && (m.Service != "" || m.Method == ""):
	case m.Service == "":
		checkRegex(p, at.Key("method"), "/[^/]+/"+m.Method)
	default:
		checkRegex(p, at, "/"+m.Service+"/"+m.Method)
	}
}

// checkStringRegex judges an expression for a header or a parameter, where "*"
// means that there is one (istio.io/istio
// pilot/pkg/networking/core/route/route.go, canBeConvertedToPresentMatch).
func checkStringRegex(p *Pass, at Path, expression string) {
	if expression != "*" {
		checkRegex(p, at, expression)
	}
}

func checkRegex(p *Pass, at Path, expression string) {
	if problem := regexProblem(expression); problem != "" {
		p.Report(Finding{At: at, Got: expression, Problem: problem + frozen, Remedy: "write it in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax)"})
	}
}

// regexProblem says why Envoy would not take a regular expression, "" when it
// would. It compiles them with RE2 (envoyproxy/envoy
// source/common/common/regex.cc), whose syntax is that of regexp/syntax but
// for what is checked before.
func regexProblem(expression string) string {
	if expression == "" {
		return "is an empty expression"
	}
	if class := unknownClass(expression); class != "" {
		return fmt.Sprintf("has the class %s, which RE2 does not know", quote(class))
	}
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if invalid, ok := err.(*syntax.Error); ok {
		return "is no regular expression of RE2 (" + string(invalid.Code) + ")"
	}
	if err != nil || programSize(parsed) > maxProgram {
		return "is a regular expression that becomes too large"
	}
	return ""
}

// maxProgram bounds the size of compiled expressions. Istio lets Envoy take
// twice as many instructions (istio.io/istio pkg/bootstrap/config.go,
// re2.max_program_size.error_level), but ours are counted roughly.
const maxProgram = 16 << 10

// programSize estimates how many instructions RE2 makes of an expression. It
// works on bytes of UTF-8, so that characters beyond ASCII take several.
func programSize(re *syntax.Regexp) int {
	const wide = 8
	size := 2
	switch re.Op {
	case syntax.OpLiteral:
		size += len(string(re.Rune))
		if re.Flags&syntax.FoldCase != 0 {
			size *= 4
		}
	case syntax.OpCharClass:
		for i := 1; i < len(re.Rune); i += 2 {
			size++
			if re.Rune[i] > unicode.MaxASCII {
				size += wide
			}
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		size += wide
	}
	for _, sub := range re.Sub {
		size += programSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min+1, re.Max)
	}
	return min(size, maxProgram+1) // no overflow
}

// unknownClass returns a Unicode class of the expression that Go may know
// but RE2 does not: it knows the categories of one or two letters and the
// scripts, in exactly their own spelling (google/re2 re2/unicode_groups.cc).
func unknownClass(expression string) string {
	for rest := expression; ; {
		i := strings.IndexByte(rest, '\\')
		if i < 0 || i+1 == len(rest) {
			return ""
		}
		escaped := rest[i+1]
		rest = rest[i+2:]
		switch escaped {
		case 'Q':
			_, rest, _ = strings.Cut(rest, `\E`)
		case 'p', 'P':
			name, found := strings.CutPrefix(rest, "{")
			if !found {
				continue // of one letter, which Go knows alone
			}
			name, _, _ = strings.Cut(name, "}")
			name = strings.TrimPrefix(name, "^")
			category := unicode.Categories[name] != nil && len(name) <= 2 && name != "LC" && name != "Cn"
			if !category && unicode.Scripts[name] == nil && name != "Any" {
				return `\` + string(escaped) + "{" + name + "}"
			}
		}
	}
}

// checkRemoved judges the names of headers that are removed, which have no
// pattern in the CRD, and which istiod passes on (envoyproxy/envoy
// api/envoy/config/route/v3/route_components.proto, request_headers_to_remove).
func checkRemoved(p *Pass, at Path, m *HeaderModifier) {
	if m == nil {
		return
	}
	for i, name := range m.Remove {
		checkHeaderName(p, at.Key("remove").Index(i), name)
	}
}

func checkHeaderName(p *Pass, at Path, name string) {
	if !headerName(strings.TrimPrefix(name, ":")) {
		p.Report(Finding{At: at, Got: name, Problem: "is not the name of a header" + frozen, Remedy: "write letters, digits and '-'"})
	}
}

func checkPathFilter(p *Pass, at Path, f *PathFilter) {
	if f == nil || f.Path == nil {
		return
	}
	checkText(p, at.Key("path", "replaceFullPath"), f.Path.ReplaceFullPath)
	checkText(p, at.Key("path", "replacePrefixMatch"), f.Path.ReplacePrefixMatch)
}

// checkText judges text for a header, as paths and hosts are to Envoy.
func checkText(p *Pass, at Path, text string) {
	if i := strings.IndexAny(text, "\x00\r\n"); i >= 0 {
		p.Report(Finding{At: at, Got: text, Problem: fmt.Sprintf("holds the character %s", quote(text[i:i+1])) + frozen, Remedy: "write printable text"})
	}
}

func checkVirtualServiceLoadable(p *Pass, vs *VirtualService) {
	stands := standsForEgress(p, vs)
	delegate := len(vs.Spec.Hosts) == 0 && (p.Config.EgressNamespace(vs.Namespace) || delegatedEgress(p, vs))
	if !stands && !delegate {
		return
	}
	checkVirtualServiceText(p, vs)
	for at, to := range vs.delegates(p.World) {
		aside := Pass{Config: p.Config, World: p.World, rule: p.rule, object: to}
		if checkVirtualServiceText(&aside, to); len(aside.findings) > 0 {
			p.Report(Finding{At: at, Got: to.Name, Problem: "names a VirtualService with text" + frozen, Remedy: "mend that one first", Others: []Ref{RefOf(to)}})
		}
	}
}

func checkVirtualServiceText(p *Pass, vs *VirtualService) {
	for i, http := range vs.Spec.HTTP {
		checkHTTPLoadable(p, At("spec", "http").Index(i), http)
	}
	for at, header := range vs.headers() {
		checkHeaderName(p, at, header.Name)
		checkText(p, at, header.Value)
	}
}

func checkHTTPLoadable(p *Pass, at Path, http VSHTTP) {
	for i, match := range http.Match {
		checkVSMatch(p, at.Key("match").Index(i), match)
	}
	if http.CORSPolicy != nil {
		for i, origin := range http.CORSPolicy.AllowOrigins {
			if origin.Regex != nil {
				checkRegex(p, at.Key("corsPolicy", "allowOrigins").Index(i).Key("regex"), *origin.Regex)
			}
		}
	}
	if rewrite := http.Rewrite; rewrite != nil {
		checkText(p, at.Key("rewrite", "uri"), rewrite.URI)
		checkText(p, at.Key("rewrite", "authority"), rewrite.Authority)
		if rewrite.URIRegexRewrite != nil {
			checkRegex(p, at.Key("rewrite", "uriRegexRewrite", "match"), rewrite.URIRegexRewrite.Match)
		}
	}
	if redirect := http.Redirect; redirect != nil {
		checkText(p, at.Key("redirect", "uri"), redirect.URI)
		checkText(p, at.Key("redirect", "authority"), redirect.Authority)
	}
	checkVSRemoved(p, at.Key("headers"), http.Headers)
	for i, route := range http.Route {
		checkVSRemoved(p, at.Key("route").Index(i).Key("headers"), route.Headers)
	}
}

func checkVSMatch(p *Pass, at Path, match VSMatch) {
	if match.URI != nil && match.URI.Regex != nil {
		checkRegex(p, at.Key("uri", "regex"), *match.URI.Regex)
	}
	for _, m := range []struct {
		key   string
		value *VSString
	}{{"scheme", match.Scheme}, {"method", match.Method}, {"authority", match.Authority}} {
		if m.value != nil && m.value.Regex != nil {
			checkStringRegex(p, at.Key(m.key, "regex"), *m.value.Regex)
		}
	}
	for _, m := range []struct {
		key    string
		values map[string]VSString
	}{{"headers", match.Headers}, {"withoutHeaders", match.WithoutHeaders}, {"queryParams", match.QueryParams}} {
		for _, name := range slices.Sorted(maps.Keys(m.values)) {
			if m.key != "queryParams" && !strings.HasPrefix(name, "@") { // a claim of a token
				checkHeaderName(p, at.Key(m.key, name), name)
			}
			if regex := m.values[name].Regex; regex != nil {
				checkStringRegex(p, at.Key(m.key, name, "regex"), *regex)
			}
		}
	}
}

func checkVSRemoved(p *Pass, at Path, headers *VSHeaders) {
	if headers == nil {
		return
	}
	for _, ops := range []struct {
		key string
		ops *VSHeaderOps
	}{{"request", headers.Request}, {"response", headers.Response}} {
		if ops.ops == nil {
			continue
		}
		for i, name := range ops.ops.Remove {
			checkHeaderName(p, at.Key(ops.key, "remove").Index(i), name)
		}
	}
}
