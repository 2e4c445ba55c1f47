package policy

import (
	"reflect"
	"strings"
	"testing"
)

const configHead = "apiVersion: config.sallyport.dev/v1alpha1\nkind: Configuration\n"

func TestLoadConfigDefaults(t *testing.T) {
	for _, file := range []string{
		configHead,
		"# a comment\n---\n" + configHead,
		configHead + "principalHeader:\ntrustDomains: null\nsyntheticSuffix: ~\negressWaypoints:\nclusterDomain:\n",
		strings.ReplaceAll(configHead, "\n", "\r\n"),
		`{"apiVersion": "config.sallyport.dev/v1alpha1", "kind": "Configuration"}`,
	} {
		config, err := LoadConfig("c.yaml", []byte(file), "2026-01-01")
		if err != nil || !reflect.DeepEqual(config, DefaultConfig()) {
			t.Errorf("%q: %+v, %v", file, config, err)
		}
	}
	if problem := DefaultConfig().problem(); problem != nil {
		t.Errorf("the default is wrong: %v", problem)
	}
}

func TestLoadConfig(t *testing.T) {
	config, err := LoadConfig("c.yaml", []byte(configHead+`
egressWaypoints:
- {namespace: edge, name: out}
- namespace: edge
  name: out-2
- {namespace: edge-2, name: out}
principalHeader: X-Caller
trustDomains: [prod.example, old.example]
syntheticSuffix: mapped.example.org
clusterDomain: k8s.example
`), "2026-01-01")
	want := &Config{
		EgressWaypoints: []Waypoint{{"edge", "out"}, {"edge", "out-2"}, {"edge-2", "out"}},
		PrincipalHeader: "X-Caller",
		TrustDomains:    []string{"prod.example", "old.example"},
		SyntheticSuffix: "mapped.example.org",
		ClusterDomain:   "k8s.example",
		Ratchet:         true,
	}
	if err != nil || !reflect.DeepEqual(config, want) {
		t.Errorf("got %+v, %v", config, err)
	}
}

// TestLoadConfigErrors: each error names file, line and field.
func TestLoadConfigErrors(t *testing.T) {
	const head = configHead // lines 1 and 2
	for file, want := range map[string]string{
		"":                     `c.yaml:1: apiVersion: "" is not understood; write config.sallyport.dev/v1alpha1`,
		"# only a comment\n":   `c.yaml:1: apiVersion: ""`,
		"\n\nkind: x\n":        `c.yaml:3: apiVersion: ""`,
		"apiVersion: v1\n":     `c.yaml:1: apiVersion: "v1" is not`,
		"- a\n":                "c.yaml:1: cannot unmarshal !!seq into a Configuration",
		"apiVersion: [\n":      "c.yaml:1: did not find",
		head + "\ta: b\n":      "c.yaml:2: found a tab",
		head + "a: *nowhere\n": "c.yaml:1: unknown anchor 'nowhere'",
		"apiVersion: config.sallyport.dev/v1alpha1\nkind: Config\n": `c.yaml:2: kind: "Config" is not understood; write Configuration`,
		"apiVersion: config.sallyport.dev/v1alpha1\n":               `c.yaml:1: kind: ""`,

		// Unknown and repeated fields, at any depth.
		head + "foo: 1\n":                                             "c.yaml:3: foo: field foo is not known",
		head + "principalheader: x\n":                                 "c.yaml:3: principalheader: field principalheader is not known",
		head + "egressWaypoints:\n- name: a\n  namespce: b\n":         "c.yaml:5: egressWaypoints[0].namespce: field namespce is not known",
		head + "kind: Configuration\n":                                `c.yaml:3: kind: mapping key "kind" already defined at line 2`,
		head + "egressWaypoints:\n- {name: a, namespace: b, name: c}": `c.yaml:4: egressWaypoints[0].name: mapping key "name" already defined`,
		head + "foo: 1\nbar: 2\n":                                     "c.yaml:4: bar: field bar is not known",
		head + "---\nprincipalHeader: x\n":                            "c.yaml:3: a second document",
		head + "...\nprincipalHeader: x\n":                            "a second document",

		// Wrong types.
		head + "principalHeader: [x]\n":        "c.yaml:3: principalHeader: cannot unmarshal !!seq into string",
		head + "trustDomains: cluster.local\n": "c.yaml:3: trustDomains: cannot unmarshal !!str",
		head + "egressWaypoints: {}\n":         "c.yaml:3: egressWaypoints: cannot unmarshal !!map into []a waypoint",
		head + "egressWaypoints:\n- a/b\n":     "c.yaml:4: egressWaypoints: cannot unmarshal !!str `a/b` into a waypoint",

		// Wrong values.
		head + "egressWaypoints: []\n":                                                    "c.yaml:3: egressWaypoints: is empty",
		head + "egressWaypoints:\n- name: a\n":                                            `c.yaml:4: egressWaypoints[0].namespace: "" is not`,
		head + "egressWaypoints:\n- namespace: a\n":                                       `c.yaml:4: egressWaypoints[0].name: "" is not`,
		head + "egressWaypoints:\n- {namespace: a, name: b}\n- {namespace: A, name: b}":   `c.yaml:5: egressWaypoints[1].namespace: "A" is not`,
		head + "egressWaypoints:\n- {namespace: a.b, name: b}\n":                          `egressWaypoints[0].namespace: "a.b" is not`,
		head + "egressWaypoints:\n- {namespace: a, name: b/c}\n":                          `egressWaypoints[0].name: "b/c" is not`,
		head + "egressWaypoints:\n- {namespace: a, name: b}\n- {namespace: a, name: b}\n": "c.yaml:5: egressWaypoints[1]: a/b is listed twice",
		head + "principalHeader: ''\n":                                                    `c.yaml:3: principalHeader: "" is not the name of a header`,
		head + "principalHeader: 'x y'\n":                                                 `c.yaml:3: principalHeader: "x y"`,
		head + "principalHeader: ':authority'\n":                                          `c.yaml:3: principalHeader: ":authority"`,
		head + `principalHeader: "x\n"` + "\n":                                            `c.yaml:3: principalHeader: "x\n"`,
		head + `principalHeader: "b\u00fccher"` + "\n":                                    "c.yaml:3: principalHeader:",
		head + "trustDomains: []\n":                                                       "c.yaml:3: trustDomains: is empty",
		head + "trustDomains:\n- a\n- spiffe://b\n":                                       `c.yaml:5: trustDomains[1]: "spiffe://b" is not`,
		head + "trustDomains: [Cluster.Local]\n":                                          `c.yaml:3: trustDomains[0]: "Cluster.Local" is not`,
		head + "trustDomains: ['']\n":                                                     `c.yaml:3: trustDomains[0]: "" is not`,
		head + "syntheticSuffix: .invalid\n":                                              `c.yaml:3: syntheticSuffix: ".invalid" is not a DNS domain`,
		head + "syntheticSuffix: invalid.\n":                                              `c.yaml:3: syntheticSuffix: "invalid." is not`,
		head + "syntheticSuffix: Invalid\n":                                               `c.yaml:3: syntheticSuffix: "Invalid" is not`,
		head + "syntheticSuffix: ''\n":                                                    `c.yaml:3: syntheticSuffix: "" is not`,
		head + "clusterDomain: '*.local'\n":                                               `c.yaml:3: clusterDomain: "*.local" is not`,
		// Every Service would be a synthetic host, or none could be told apart.
		head + "syntheticSuffix: local\n":             `c.yaml:3: syntheticSuffix: "local" and the cluster domain "cluster.local"`,
		head + "syntheticSuffix: cluster.local\n":     `c.yaml:3: syntheticSuffix: "cluster.local" and`,
		head + "syntheticSuffix: svc.cluster.local\n": `c.yaml:3: syntheticSuffix: "svc.cluster.local" and`,
		head + "clusterDomain: invalid\n":             `c.yaml:1: syntheticSuffix: "invalid" and`,
	} {
		config, err := LoadConfig("c.yaml", []byte(file), "2026-01-01")
		if err == nil || config != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\ngot  %v\nwant %s", file, err, want)
			continue
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if !strings.HasPrefix(line, "c.yaml:") || strings.Contains(line, "policy.") {
				t.Errorf("%q: a line without its place, or with a Go type: %s", file, line)
			}
		}
	}
}

func TestEgressNamespace(t *testing.T) {
	config := &Config{EgressWaypoints: []Waypoint{{"edge", "out"}, {"edge-2", "out-2"}}}
	for namespace, want := range map[string]bool{"edge": true, "edge-2": true, "out": false, "": false, "edge-": false, "Edge": false} {
		if got := config.EgressNamespace(namespace); got != want {
			t.Errorf("EgressNamespace(%q) = %t", namespace, got)
		}
	}
	for waypoint, want := range map[Waypoint]bool{{"edge", "out"}: true, {"edge", "out-2"}: false, {"edge-2", "out"}: false, {}: false} {
		if got := config.IsEgressWaypoint(waypoint); got != want {
			t.Errorf("IsEgressWaypoint(%s) = %t", waypoint, got)
		}
	}
}
