package main

import (
	"strings"
	"testing"

	"sallyport.dev/policy"
)

// TestTextIsReadable: however many objects there are, what is denied is seen
// with the file that it is in, and what is not judged is said once.
func TestTextIsReadable(t *testing.T) {
	r := report{Results: []result{
		{Object: objectRef{Kind: "ServiceEntry", Namespace: "a", Name: "x"}, Verdict: "allow", NotJudged: []notJudged{{"SP902", "Gateway"}, {"SP901", "Gateway"}, {"SP901", "Service"}}},
		{Object: objectRef{Kind: "Namespace", Name: "y"}, Verdict: "allow", file: "y.yaml"},
		{Object: objectRef{Kind: "HTTPRoute", Namespace: "b", Name: "z"}, Verdict: "deny", file: "dir/z.yaml", answer: "HTTPRoute b/z breaks 2 rules:\n[one]\n[two]", NotJudged: []notJudged{{"SP901", "Gateway"}}},
		{Object: objectRef{Kind: "HTTPRoute", Namespace: "b", Name: "w"}, Verdict: "allow", file: "w.yaml", answer: "Warning: [three]", Patch: []policy.PatchOp{{Op: "add", Path: "/spec/a", Value: []any{"x"}}}},
	}}
	const want = `ServiceEntry a/x: admitted
Namespace y: admitted
HTTPRoute b/z: DENIED (dir/z.yaml)
  HTTPRoute b/z breaks 2 rules:
  [one]
  [two]
HTTPRoute b/w: admitted, completed (w.yaml)
  add /spec/a ["x"]
  Warning: [three]
not judged, for want of any object of the kind; give more of the cluster with --world:
  Gateway: SP901, SP902
  Service: SP901
4 objects: 3 admitted (1 completed), 1 denied
`
	var got strings.Builder
	if err := writeText(&got, r); err != nil || got.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got.String(), want)
	}
	if !r.denied() {
		t.Error("one denied object does not make the report a denial")
	}
}

func TestJoinFiles(t *testing.T) {
	for _, c := range []struct {
		files []string
		want  string
	}{
		{nil, ""},
		{[]string{"a: 1"}, "a: 1"},
		{[]string{"a: 1\n", "b: 2\n"}, "a: 1\n---\nb: 2\n"},
		{[]string{"a: 1", "b: 2"}, "a: 1\n---\nb: 2"},
		{[]string{"a: 1\n", "--- # c\nb: 2\n", "---\nc: 3"}, "a: 1\n--- # c\nb: 2\n---\nc: 3"},
		{[]string{"", "a: 1\n", "", "b: 2\n", ""}, "a: 1\n---\nb: 2\n"},
		{[]string{"\ufeffa: 1\n", "\ufeffb: 2\n"}, "\ufeffa: 1\n---\nb: 2\n"},
	} {
		var texts [][]byte
		for _, f := range c.files {
			texts = append(texts, []byte(f))
		}
		if got := string(joinFiles(texts)); got != c.want {
			t.Errorf("%q: %q, want %q", c.files, got, c.want)
		}
	}
}

func TestProgramName(t *testing.T) {
	for arg0, want := range map[string]string{
		"sallyport": "sallyport", "/usr/bin/sallyport": "sallyport", "./sp": "sallyport",
		"/opt/bin/kubectl-sallyport": "kubectl sallyport", "kubectl-sallyport.exe": "kubectl sallyport",
	} {
		if got := programName(arg0); got != want {
			t.Errorf("%s: %q, want %q", arg0, got, want)
		}
	}
}
