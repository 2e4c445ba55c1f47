package policy

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What the consumers of an object understand is restated here on purpose, as
// plainly as it can be said. Run one target with
//
//	go test ./policy -run '^$' -fuzz '^FuzzHost$' -fuzztime 60s
//
// or all with `make fuzz`.

// fuzzSeeds calls f with objects of the pages and cases, with the index of the
// kind and of the case. Of objects that have the same fields one will do.
func fuzzSeeds(f *testing.F, add func(kind, world int, data []byte)) {
	f.Helper()
	seen := map[string]bool{}
	for world, c := range allCases(f) {
		for _, m := range slices.Concat(c.World, c.Bad, c.Fixed, c.Good) {
			if m.Object == nil {
				continue
			}
			shape := fuzzShape(f, m)
			if seen[shape] {
				continue
			}
			seen[shape] = true
			add(slices.IndexFunc(kinds, func(info KindInfo) bool { return info.Kind == m.Object.Kind() }), world, m.JSON)
		}
	}
}

// fuzzShape names the fields of an object.
func fuzzShape(f *testing.F, m Manifest) string {
	f.Helper()
	tree, err := decodeJSON(m.JSON)
	if err != nil {
		f.Fatal(err)
	}
	fields := map[string]bool{}
	var walk func(at string, node any)
	walk = func(at string, node any) {
		fields[at] = true
		switch node := node.(type) {
		case map[string]any:
			for key, child := range node {
				walk(at+"/"+key, child)
			}
		case []any:
			for _, child := range node {
				walk(at+"/-", child)
			}
		}
	}
	walk(m.KindName, tree)
	return strings.Join(slices.Sorted(maps.Keys(fields)), " ")
}

// fuzzed decodes an object as the webhook does: one that the namespace of the
// request lies on. nil when the API server or Decode would not take it.
func fuzzed(kind uint8, data []byte) Object {
	o, err := Decode(kinds[int(kind)%len(kinds)].Kind, data)
	if err != nil {
		return nil
	}
	setDefaultNamespace(o, "team-a")
	return o
}

func fuzzedCase(t *testing.T, world uint16) caseFile {
	t.Helper()
	cases := allCases(t)
	return cases[int(world)%len(cases)]
}

// FuzzDecode: whatever the bytes are, Decode says yes or no; and what it read
// it reads again from the same JSON in other clothes.
func FuzzDecode(f *testing.F) {
	fuzzSeeds(f, func(kind, _ int, data []byte) { f.Add(uint8(kind), data) })
	f.Add(uint8(9), []byte(`{"metadata":{"name":"a","name":"b"}}`))
	f.Add(uint8(9), []byte(`{"Metadata":{"Labels":{}},"spec":null}`))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		k := kinds[int(kind)%len(kinds)].Kind
		once, err := Decode(k, data)
		if err != nil {
			return
		}
		if once.Kind() != k || !bytes.Equal(once.Metadata().Raw(), data) {
			t.Fatalf("decoded a %s as %s of %q", k, once.Kind(), once.Metadata().Raw())
		}
		again, _, err := Apply(data, nil)
		if err != nil {
			t.Fatalf("decoded what is no JSON: %v", err)
		}
		twice, err := Decode(k, again)
		if err != nil {
			t.Fatalf("not decoded again: %v\n%s", err, again)
		}
		once.Metadata().raw, twice.Metadata().raw = nil, nil
		if !reflect.DeepEqual(once, twice) {
			t.Fatalf("read in two ways:\n%#v\n%#v", once, twice)
		}
		bare, err := DecodeForWorld(k, data)
		if err != nil || !reflect.DeepEqual(bare, once) {
			t.Fatalf("read otherwise for a World: %v", err)
		}
	})
}

// FuzzSettle: fixes come to rest and leave nothing to fix, settled twice is
// settled once, and the patch leads from the object to its settled form.
func FuzzSettle(f *testing.F) {
	fuzzSeeds(f, func(kind, world int, data []byte) { f.Add(uint8(kind), uint16(world), data) })
	f.Fuzz(func(t *testing.T, kind uint8, world uint16, data []byte) {
		o := fuzzed(kind, data)
		if o == nil {
			return
		}
		c := fuzzedCase(t, world)
		once, err := Settle(Rules(), c.Config, c.Snapshot(), o)
		if err != nil {
			t.Fatal(err)
		}
		if len(fixesOf(once.Findings)) > 0 {
			t.Fatalf("settled, yet there is something to fix: %s", answers(once.Findings))
		}
		twice, err := Settle(Rules(), c.Config, c.Snapshot(), once.Object)
		if err != nil {
			t.Fatal(err)
		}
		if len(twice.Patch) > 0 || answers(twice.Findings) != answers(once.Findings) {
			t.Fatalf("settled again, it changes: %v\n%s\nbefore:\n%s", twice.Patch, answers(twice.Findings), answers(once.Findings))
		}
		fuzzPatch(t, data, once)
	})
}

// fuzzPatch applies the patch with the library that the API server uses
// (k8s.io/apiserver pkg/admission/plugin/webhook/mutating/dispatcher.go).
func fuzzPatch(t *testing.T, before []byte, settled Settled) {
	t.Helper()
	if len(settled.Patch) == 0 {
		return
	}
	text, err := json.Marshal(settled.Patch)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	options := jsonpatch.NewApplyOptions()
	options.AllowMissingPathOnRemove, options.EnsurePathExistsOnAdd = false, false
	after, err := patch.ApplyWithOptions(before, options)
	if err != nil {
		t.Fatalf("the API server could not apply %s: %v", text, err)
	}
	got, err := decodeJSON(after)
	if err != nil {
		t.Fatal(err)
	}
	want, err := decodeJSON(settled.Object.Metadata().Raw())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("the patch %s leads to\n%s\nnot to\n%s", text, after, settled.Object.Metadata().Raw())
	}
}

// FuzzReview: every rule alone has an answer to every object, new, updated or
// deleted, and each of its findings can be printed.
func FuzzReview(f *testing.F) {
	fuzzSeeds(f, func(kind, world int, data []byte) { f.Add(uint8(kind), uint16(world), data) })
	f.Fuzz(func(t *testing.T, kind uint8, world uint16, data []byte) {
		o := fuzzed(kind, data)
		if o == nil {
			return
		}
		c := fuzzedCase(t, world)
		var all []Finding
		for _, rule := range Rules() {
			findings := slices.Concat(
				Review([]*Rule{rule}, c.Config, c.Snapshot(), o),
				ReviewDeletion([]*Rule{rule}, c.Config, c.Snapshot(), o))
			for _, finding := range findings {
				if finding.Rule != rule {
					t.Fatalf("%s speaks for %s", rule.ID, finding.Rule.ID)
				}
				fuzzFinding(t, o, finding)
			}
			all = append(all, findings...)
		}
		if Denies(ReviewUpdate(Rules(), DefaultConfig(), c.Snapshot(), o, o)) {
			t.Fatal("an update that changes nothing is denied")
		}
		for _, line := range Warnings(all) {
			if utf8.RuneCountInString(line) > maxWarning {
				t.Fatalf("a warning of %d characters: %s", utf8.RuneCountInString(line), line)
			}
		}
		for _, line := range strings.Split(Denial(RefOf(o), all), "\n") {
			if strings.Trim(line, fuzzPrintable) != "" {
				t.Fatalf("not fit for a log: %q", line)
			}
		}
	})
}

const fuzzPrintable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"

func fuzzFinding(t *testing.T, o Object, f Finding) {
	t.Helper()
	switch {
	case f.Problem == "" || f.Remedy == "" || len(f.At) == 0:
		t.Fatalf("incomplete: %#v", f)
	case f.Severity != Deny && f.Severity != Warn:
		t.Fatalf("severity %q: %s", f.Severity, f)
	case f.Object != RefOf(o):
		t.Fatalf("about %s, not %s", f.Object, RefOf(o))
	case strings.Trim(f.String(), fuzzPrintable) != "":
		t.Fatalf("not fit for a log: %q", f.String())
	}
	for _, edit := range f.Fix {
		if _, _, err := Apply(o.Metadata().Raw(), []Edit{edit}); err != nil {
			t.Fatalf("a fix that cannot be made: %v", err)
		}
	}
}

// IstioMatches and IstioSubset say which hosts overlap and which one lies in
// another, as Istio does (istio.io/istio pkg/config/host/name.go): a name that
// starts with '*' stands for all that end with the rest.
func IstioMatches(a, b string) bool {
	a, anyA := strings.CutPrefix(a, "*")
	b, anyB := strings.CutPrefix(b, "*")
	switch {
	case anyA && anyB:
		return strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
	case anyA:
		return strings.HasSuffix(b, a)
	case anyB:
		return strings.HasSuffix(a, b)
	}
	return a == b
}

func IstioSubset(a, of string) bool {
	a, anyA := strings.CutPrefix(a, "*")
	of, anyOf := strings.CutPrefix(of, "*")
	switch {
	case anyA && !anyOf:
		return false
	case anyOf:
		return strings.HasSuffix(a, of)
	}
	return a == of
}

// FuzzHost: the canonical form is canonical, and covers what Istio covers.
func FuzzHost(f *testing.F) {
	f.Add("Api.Example.COM.", "*.example.com")
	f.Add("*", "*.")
	f.Add("*a.com", "ba.com")
	f.Add(" x.y \t", "x.y")
	f.Add("\u212A.com", "k.com") // the Kelvin sign
	f.Add("*.team-a.api.example.com.invalid", "app1.team-a.api.example.com.invalid")
	f.Fuzz(func(t *testing.T, x, y string) {
		a, b := ParseHost(x), ParseHost(y)
		for _, h := range []Host{a, b} {
			text := string(h)
			if ParseHost(text) != h {
				t.Fatalf("%q is canonical, then it is %q", text, ParseHost(text))
			}
			if strings.TrimSpace(text) != text || strings.HasSuffix(text, ".") || strings.ToLower(text) != text {
				t.Fatalf("%q is not canonical", text)
			}
			if !h.Covers(h) || !h.Overlaps(h) {
				t.Fatalf("%q does not cover itself", text)
			}
		}
		if a.Covers(b) != IstioSubset(string(b), string(a)) || a.Overlaps(b) != IstioMatches(string(a), string(b)) || a.Overlaps(b) != b.Overlaps(a) {
			t.Fatalf("%q and %q: covers %v, overlaps %v; not what Istio says", a, b, a.Covers(b), a.Overlaps(b))
		}
		// What an exact reader takes for one host is one host here.
		if x == y && a != b {
			t.Fatalf("%q is two hosts", x)
		}
		fuzzSynthetic(t, a)
	})
}

// fuzzSynthetic: a synthetic host that can be taken apart is made of DNS
// labels alone and is put together again.
func fuzzSynthetic(t *testing.T, h Host) {
	t.Helper()
	s, err := ParseSynthetic(h, "invalid")
	if err != nil {
		return
	}
	if s.Host("invalid") != h {
		t.Fatalf("%q put together again is %q", h, s.Host("invalid"))
	}
	label := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	labels := strings.Split(string(h), ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			t.Fatalf("%q is a synthetic host although %q is no label", h, l)
		}
	}
	if len(labels) < 4 || len(h) > 253 || labels[len(labels)-1] != "invalid" || labels[len(labels)-2] == "invalid" || s.App != labels[0] || s.Namespace != labels[1] {
		t.Fatalf("%q is %#v", h, s)
	}
}

// FuzzSPIFFE: an id is understood if and only if istiod could have written it
// for a ServiceAccount (istio.io/istio pkg/spiffe/spiffe.go, Identity.String),
// in a namespace and of a name that Kubernetes allows.
func FuzzSPIFFE(f *testing.F) {
	f.Add("spiffe://cluster.local/ns/team-a/sa/app1")
	f.Add("spiffe://cluster.local/ns/team-a/sa/app1.batch")
	f.Add("SPIFFE://cluster.local/ns/team-a/sa/app1")
	f.Add("spiffe://Cluster.local/ns/team-a/sa/app1")
	f.Add("spiffe://cluster.local/ns/team-a/sa/app1/")
	f.Add("spiffe://cluster.local/ns/Team_A/sa/app1")
	f.Add("spiffe://cluster.local//ns/team-a/sa/app1")
	f.Add("spiffe://cluster.local/ns/team-a/sa/..")
	f.Add("spiffe://cluster.local/ns/team%2da/sa/app1")
	f.Fuzz(func(t *testing.T, s string) {
		written := false
		if rest, ok := strings.CutPrefix(s, "spiffe://"); ok {
			parts := strings.Split(rest, "/")
			written = len(parts) == 5 && parts[1] == "ns" && parts[3] == "sa" &&
				parts[0] != "" && len(parts[0]) <= 255 && strings.Trim(parts[0], "abcdefghijklmnopqrstuvwxyz0123456789-._") == "" &&
				len(validation.IsDNS1123Label(parts[2])) == 0 &&
				len(validation.IsDNS1123Subdomain(parts[4])) == 0 && len(s) <= 2048
		}
		p, ok := parsePrincipal(s)
		if ok != written {
			t.Fatalf("%q: understood %v, written by istiod %v", s, ok, written)
		}
		if ok && p.String() != s {
			t.Fatalf("%q is read as %q", s, p)
		}
	})
}

// IstioSecret says which Secret a credentialName means to a proxy of the
// namespace (istio.io/istio pilot/pkg/model/credentials/resource.go,
// ToResourceName and ParseResourceName; a leading "sds://" is cut off and the
// rest read again). ok is false for what is no Secret.
func IstioSecret(s, proxyNamespace string) (namespace, name string, ok bool) {
	for strings.HasPrefix(s, "sds://") {
		s = strings.TrimPrefix(s, "sds://")
	}
	for _, scheme := range []string{"builtin://", "invalid://", "configmap://"} {
		if strings.HasPrefix(s, scheme) {
			return "", "", false
		}
	}
	global := strings.HasPrefix(s, "kubernetes-gateway://")
	s = strings.TrimPrefix(strings.TrimPrefix(s, "kubernetes-gateway://"), "kubernetes://")
	elements := strings.Split(s, "/")
	if len(elements) == 1 {
		return proxyNamespace, elements[0], !global
	}
	return elements[0], elements[1], true
}

// FuzzCredential: a credentialName that SP101 and SP102 let pass means a Secret
// of the own namespace to every proxy.
func FuzzCredential(f *testing.F) {
	for _, seed := range []string{
		"team-a/app1", "app1", "team-b/app1", "kubernetes://app1", "kubernetes://team-b/app1", "kubernetes-gateway://team-b/app1",
		"configmap://team-b/app1", "builtin://", "invalid://", "sds://team-b/app1", "sds://kubernetes://team-b/app1", "team-a/app1/team-b/x",
		"team-a/app1-cacert", "/app1", "team-a/", "kubernetes://kubernetes://team-b/app1", "Kubernetes://team-b/x", "sds://sds://builtin://",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		dr := &DestinationRule{Meta: Meta{Namespace: "team-a", Name: "x"}}
		dr.Spec.Host = "app1.team-a.api.example.com.invalid"
		dr.Spec.TrafficPolicy = &TrafficPolicy{TLS: &ClientTLS{Mode: mutual, CredentialName: s, SubjectAltNames: []string{"api.example.com"}}}
		settledTo := s
		for _, finding := range Review([]*Rule{ownCredential(), noWaypointCredential()}, DefaultConfig(), &Snapshot{}, dr) {
			if len(finding.Fix) != 1 {
				return // denied
			}
			settledTo = finding.Fix[0].Value.(string)
		}
		if settledTo != s {
			// A rewriting keeps the name that the user wrote.
			if _, name, ok := IstioSecret(s, "team-a"); !ok || settledTo != "team-a/"+name {
				t.Fatalf("%q is rewritten to %q", s, settledTo)
			}
		}
		namespace, name, ok := IstioSecret(settledTo, "istio-egress")
		if !ok || namespace != "team-a" || len(validation.IsDNS1123Subdomain(name)) > 0 {
			t.Fatalf("%q is let pass, and means %q of %q, %v", settledTo, name, namespace, ok)
		}
	})
}

var (
	fuzzMetadataOperator = regexp.MustCompile(`%(UPSTREAM|DYNAMIC)_METADATA\(\s*(\[(?s:.+?)\]\s*)\)%`)
	fuzzRequestState     = regexp.MustCompile(`%PER_REQUEST_STATE\((.+?)\)%`)
)

// EnvoyOperator tells whether Envoy would fill something in: it rewrites two
// old forms of operators (envoyproxy/envoy source/common/router/header_parser.cc,
// translateMetadataFormat, translatePerRequestState), takes "%%" for a percent
// sign, and every other one for the begin of an operator.
func EnvoyOperator(value string) bool {
	for range 100 {
		at := fuzzMetadataOperator.FindStringSubmatchIndex(value)
		if at == nil {
			break
		}
		var names []string
		if json.Unmarshal([]byte(value[at[4]:at[5]]), &names) != nil {
			break // Envoy gives up on the whole value
		}
		value = value[:at[0]] + "%" + value[at[2]:at[3]] + "_METADATA(" + strings.Join(names, ":") + ")%" + value[at[1]:]
	}
	value = fuzzRequestState.ReplaceAllString(value, "%FILTER_STATE($1:PLAIN)%")
	return strings.Contains(strings.ReplaceAll(value, "%%", ""), "%")
}

// FuzzHeaderFormat: a value without an operator in sallyport's eyes has none in
// Envoy's.
func FuzzHeaderFormat(f *testing.F) {
	for _, seed := range []string{
		"plain", "50%%", "50%", "%%%", "%REQ(x)%", "%%%REQ(x)%", "%%REQ(x)%%", "%FILTER_STATE(io.istio.peer_principal:PLAIN)%",
		`%%DYNAMIC_METADATA(["\u0025REQ(x)\u0025"])%%`, `%DYNAMIC_METADATA(["a", "b"])%`, `%%UPSTREAM_METADATA( ["a"] )%%`, "%PER_REQUEST_STATE(x)%",
		"%REQ(%%source.principal%%)%", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		found := formatOperator(value)
		if found == "" && EnvoyOperator(value) {
			t.Fatalf("%q has an operator", value)
		}
		if !strings.Contains(value, found) {
			t.Fatalf("%q is said to contain %q", value, found)
		}
		if found != "" && !strings.Contains(value, "%") {
			t.Fatalf("%q is said to have an operator", value)
		}
		// Escaped, everything is harmless.
		if escaped := strings.ReplaceAll(value, "%", "%%"); formatOperator(escaped) != "" && !strings.Contains(escaped, "METADATA(") {
			t.Fatalf("%q is said to have an operator", escaped)
		}
	})
}

// FuzzConfig: every file is a configuration or an error that names the file
// and, for each thing said, the line; and what was loaded is sound.
func FuzzConfig(f *testing.F) {
	const head = "apiVersion: config.sallyport.dev/v1alpha1\nkind: Configuration\n"
	f.Add([]byte(head))
	f.Add([]byte(head + "egressWaypoints: [{namespace: istio-egress, name: egress-waypoint}]\nprincipalHeader: x-principal\n"))
	f.Add([]byte(head + "trustDomains: [a.b, c]\nsyntheticSuffix: invalid\nclusterDomain: cluster.local\nratchet: false\n"))
	f.Add([]byte(head + "enforcement: [{action: warn, rules: [SP101], namespaces: ['team-*']}]\n"))
	f.Add([]byte(head + "exemptions: [{rule: SP101, namespace: a, name: b, reason: c, expires: 2099-01-01}]\n"))
	f.Add([]byte(head + "typo: 1\n---\n"))
	f.Add([]byte("a: &a [*a]\n<<: {}\n"))
	for _, c := range allCases(f) {
		if text, ok := c.Source["config.yaml"]; ok {
			f.Add([]byte(text))
		}
	}
	place := regexp.MustCompile(`^guard\.yaml:[1-9]\d*: \S`)
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := LoadConfig("guard.yaml", data, "2026-01-01")
		if err == nil {
			if config.problem() != nil || config.enforcementProblem("2026-01-01") != nil {
				t.Fatalf("loaded, yet not sound: %#v", config)
			}
			return
		}
		if config != nil || !place.MatchString(err.Error()) {
			t.Fatalf("the error does not say where: %q", err)
		}
		if strings.Contains(err.Error(), "policy.") {
			t.Fatalf("the error names a Go type: %q", err)
		}
	})
}

// FuzzManifests: every file is a list of manifests or an error that names the
// document; each manifest is JSON that reads as the same object again.
func FuzzManifests(f *testing.F) {
	for _, c := range allCases(f) {
		for _, name := range []string{"bad.yaml", "good.yaml"} {
			if text, ok := c.Source[name]; ok && len(text) < 1500 && strings.HasPrefix(c.path, "doc/") {
				f.Add([]byte(text))
			}
		}
	}
	f.Add([]byte("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"))
	f.Add([]byte("---\n# nothing\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n...\nx\n"))
	f.Add([]byte(`{"apiVersion": "v1", "kind": "Service", "Kind": "Pod"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if joined := bytes.Join(SplitDocuments(data), nil); !bytes.Equal(joined, data) {
			t.Fatalf("the documents joined are %q", joined)
		}
		manifests, err := ReadManifests(data, "default")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "document ") || manifests != nil {
				t.Fatalf("the error does not say where: %q", err)
			}
			return
		}
		for _, m := range manifests {
			if m.Object == nil {
				continue
			}
			if m.Object.Kind() != NamespaceKind && m.Object.Metadata().Namespace == "" {
				t.Fatalf("%s has no namespace", RefOf(m.Object))
			}
			if RefOf(m.Object).Name != m.Name && m.Name != "" {
				t.Fatalf("%s is called %q", RefOf(m.Object), m.Name)
			}
			again, err := Decode(m.Object.Kind(), m.JSON)
			if err != nil {
				t.Fatalf("not decoded again: %v", err)
			}
			setDefaultNamespace(again, "default")
			if !reflect.DeepEqual(again, m.Object) {
				t.Fatalf("%s reads otherwise when decoded alone", RefOf(m.Object))
			}
		}
	})
}
