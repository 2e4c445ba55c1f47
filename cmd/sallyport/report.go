package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"sallyport.dev/policy"
)

// report is the output of check. Its JSON form is a contract.
type report struct {
	Results []result `json:"results"`
}

type result struct {
	Object    objectRef        `json:"object"`
	Operation string           `json:"operation"` // create, update or delete
	Verdict   string           `json:"verdict"`   // allow or deny
	Findings  []finding        `json:"findings"`
	Patch     []policy.PatchOp `json:"patch"`
	NotJudged []notJudged      `json:"notJudged"`

	file   string
	answer string // what kubectl would show
}

type objectRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
}

func (o objectRef) String() string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return o.Kind + " " + name
}

type finding struct {
	Rule     string          `json:"rule"`
	Name     string          `json:"name"`
	Severity policy.Severity `json:"severity"`
	Path     string          `json:"path"`
	Got      string          `json:"got"`
	Problem  string          `json:"problem"`
	Remedy   string          `json:"remedy"`
}

// notJudged is a rule that had nothing to judge by.
type notJudged struct {
	Rule  string `json:"rule"`
	Needs string `json:"needs"` // a kind
}

func newResult(m policy.Manifest) result {
	r := result{
		Object:    objectRef{APIVersion: m.APIVersion, Kind: m.KindName, Namespace: m.Namespace, Name: m.Name},
		Operation: "create",
		Verdict:   "allow",
		Findings:  []finding{},
		Patch:     []policy.PatchOp{},
		NotJudged: []notJudged{},
	}
	if m.Object != nil {
		ref := policy.RefOf(m.Object)
		r.Object.Namespace, r.Object.Name = ref.Namespace, ref.Name
	}
	return r
}

func (r *result) judge(settled policy.Settled) {
	if policy.Denies(settled.Findings) {
		r.Verdict = "deny"
	}
	r.answer = policy.Answer(policy.RefOf(settled.Object), settled.Findings)
	r.Patch = append(r.Patch, settled.Patch...)
	for _, f := range settled.Findings {
		r.Findings = append(r.Findings, finding{
			Rule: f.Rule.ID, Name: f.Rule.Name, Severity: f.Severity,
			Path: f.At.String(), Got: f.Got, Problem: f.Problem, Remedy: f.Remedy,
		})
	}
}

func (r *result) missing(rules []policy.NotJudged) {
	for _, m := range rules {
		r.NotJudged = append(r.NotJudged, notJudged{Rule: m.Rule.ID, Needs: string(m.Needs)})
	}
}

func (r report) denied() bool {
	for _, result := range r.Results {
		if result.Verdict == "deny" {
			return true
		}
	}
	return false
}

var reportWriters = map[string]func(io.Writer, report) error{
	"text": writeText,
	"json": func(out io.Writer, r report) error {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	},
	"yaml": func(out io.Writer, r report) error {
		data, err := yaml.Marshal(r)
		if err != nil {
			return err
		}
		_, err = out.Write(data)
		return err
	},
}

func writeText(out io.Writer, r report) error {
	var b strings.Builder
	denied, completed := 0, 0
	for _, result := range r.Results {
		word := "admitted"
		switch {
		case result.Verdict == "deny":
			word = "DENIED"
			denied++
		case len(result.Patch) > 0:
			word = "admitted, completed"
			completed++
		}
		if result.answer != "" {
			word += " (" + result.file + ")"
		}
		fmt.Fprintf(&b, "%s: %s\n", result.Object, word)
		for _, op := range result.Patch {
			value, err := json.Marshal(op.Value)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "  %s %s %s\n", op.Op, op.Path, value)
		}
		if result.answer != "" {
			b.WriteString(indented(result.answer + "\n"))
		}
	}
	r.writeNotJudged(&b)
	fmt.Fprintf(&b, "%s: %d admitted (%d completed), %d denied\n", plural(len(r.Results), "object"), len(r.Results)-denied, completed, denied)
	_, err := io.WriteString(out, b.String())
	return err
}

// writeNotJudged says once for each kind that is wanting which rules need it.
func (r report) writeNotJudged(out io.Writer) {
	rules := map[string][]string{} // by kind
	for _, result := range r.Results {
		for _, m := range result.NotJudged {
			if !slices.Contains(rules[m.Needs], m.Rule) {
				rules[m.Needs] = append(rules[m.Needs], m.Rule)
			}
		}
	}
	if len(rules) > 0 {
		fmt.Fprintln(out, "not judged, for want of any object of the kind; give more of the cluster with --world:")
	}
	for _, kind := range slices.Sorted(maps.Keys(rules)) {
		slices.Sort(rules[kind])
		fmt.Fprintf(out, "  %s: %s\n", kind, strings.Join(rules[kind], ", "))
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
