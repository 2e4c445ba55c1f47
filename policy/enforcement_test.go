package policy

import (
	"strings"
	"testing"
)

// twoFindings breaks SP101 and SP402.
func twoFindings(t *testing.T, namespace, name string) Object {
	t.Helper()
	o, err := Decode(DestinationRuleKind, []byte(`{"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
		"metadata": {"name": "`+name+`", "namespace": "`+namespace+`"},
		"spec": {"host": "app1.`+namespace+`.api.example.com.invalid", "trafficPolicy": {"tls": {"mode": "MUTUAL", "credentialName": "elsewhere/x"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// severities writes what is left of the two findings: "SP101=deny SP402=warn".
func severities(findings []Finding) string {
	var words []string
	for _, f := range findings {
		words = append(words, f.Rule.ID+"="+string(f.Severity))
	}
	return strings.Join(words, " ")
}

func loadEnforcement(t *testing.T, text string) *Config {
	t.Helper()
	config, err := LoadConfig("c.yaml", []byte(configHead+text), "2026-01-01")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestEnforcement(t *testing.T) {
	for _, tt := range []struct{ name, config, want string }{
		{"default", "", "SP101=deny SP402=deny"},
		{"off by rule", "enforcement: [{action: off, rules: [SP101]}]", "SP402=deny"},
		{"warn by rule", "enforcement: [{action: warn, rules: [SP402]}]", "SP101=deny SP402=warn"},
		{"warn everywhere", "enforcement: [{action: warn}]", "SP101=warn SP402=warn"},
		{"warn in the namespace", "enforcement: [{action: warn, namespaces: [team-a]}]", "SP101=warn SP402=warn"},
		{"warn in another namespace", "enforcement: [{action: warn, namespaces: [team-b, team]}]", "SP101=deny SP402=deny"},
		{"glob", "enforcement: [{action: off, rules: [SP101], namespaces: ['t*-a']}]", "SP402=deny"},
		{"glob of another", "enforcement: [{action: off, namespaces: ['*-b']}]", "SP101=deny SP402=deny"},
		{"rule and namespace both", "enforcement: [{action: off, rules: [SP101], namespaces: [team-b]}]", "SP101=deny SP402=deny"},
		{"deny is explicit", "enforcement: [{action: deny, namespaces: [team-a]}, {action: off, namespaces: [team-b]}]", "SP101=deny SP402=deny"},
		{"exempt", "exemptions: [{rule: SP101, namespace: team-a, name: app1, reason: migration, expires: 2026-06-01}]", "SP101=warn SP402=deny"},
		{"exempt elsewhere", "exemptions: [{rule: SP101, namespace: team-b, name: app1, reason: migration, expires: 2026-06-01}, {rule: SP101, namespace: team-a, name: app2, reason: migration, expires: 2026-06-01}]", "SP101=deny SP402=deny"},
		{"two exemptions do not combine", "exemptions: [{rule: SP101, namespace: team-a, name: app2, reason: x, expires: 2026-06-01}, {rule: SP402, namespace: team-b, name: app1, reason: x, expires: 2026-06-01}]", "SP101=deny SP402=deny"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := loadEnforcement(t, tt.config).On("2026-05-31")
			if got := severities(Review(Rules(), config, &Snapshot{}, twoFindings(t, "team-a", "app1"))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestExemptionExpires(t *testing.T) {
	config := loadEnforcement(t, "exemptions: [{rule: SP101, namespace: team-a, name: app1, reason: migration, expires: 2026-06-01}]")
	object := twoFindings(t, "team-a", "app1")
	for _, tt := range []struct{ day, severities, note string }{
		{"2026-05-31", "SP101=warn SP402=deny", "exempt until 2026-06-01: migration"},
		{"2026-06-01", "SP101=deny SP402=deny", "its exemption expired on 2026-06-01"},
	} {
		findings := Review(Rules(), config.On(tt.day), &Snapshot{}, object)
		if got := severities(findings); got != tt.severities || findings[0].Note != tt.note {
			t.Errorf("%s: %s, note %q", tt.day, got, findings[0].Note)
		}
		if !strings.HasPrefix(findings[0].String(), "[SP101 own-credential, "+tt.note+"] spec.") {
			t.Errorf("%s: the text is %s", tt.day, findings[0])
		}
	}
}

// TestExemptIsLeftAlone: what is exempt or off is not repaired either.
func TestExemptIsLeftAlone(t *testing.T) {
	o, err := Decode(DestinationRuleKind, []byte(`{"metadata": {"name": "app1", "namespace": "team-a"},
		"spec": {"host": "app1.team-a.api.example.com.invalid", "trafficPolicy": {"tls": {"mode": "MUTUAL", "credentialName": "x", "subjectAltNames": ["api.example.com"]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for config, patched := range map[string]bool{
		"": true,
		"enforcement: [{action: warn, rules: [SP101]}]":                                                      true,
		"enforcement: [{action: off, rules: [SP101]}]":                                                       false,
		"exemptions: [{rule: SP101, namespace: team-a, name: app1, reason: migration, expires: 2026-06-01}]": false,
	} {
		settled, err := Settle(Rules(), loadEnforcement(t, config), &Snapshot{}, o)
		if err != nil {
			t.Fatal(err)
		}
		if (len(settled.Patch) > 0) != patched {
			t.Errorf("%s: patch %v", config, settled.Patch)
		}
	}
}

func TestEnforcementErrors(t *testing.T) {
	const exemption = "exemptions:\n- {rule: SP101, namespace: team-a, name: app1, reason: migration, expires: 2026-06-01}\n"
	for _, tt := range []struct{ config, want string }{
		{"enforcement:\n- {action: ignore}\n", `c.yaml:4: enforcement[0].action: "ignore" is not one of deny, warn, off`},
		{"enforcement:\n- {action: warn, rules: [SP101, SP999]}\n", `c.yaml:4: enforcement[0].rules[1]: "SP999" is not the id of a rule`},
		{"enforcement:\n- {action: warn, namespaces: ['team_a']}\n", `c.yaml:4: enforcement[0].namespaces[0]: "team_a" is not the name of a namespace`},
		{"enforcement:\n- {action: warn, namespaces: ['team-*']}\n- {action: off, rules: [SP101], namespaces: ['*-a']}\n", `c.yaml:5: enforcement[1]: overlaps with enforcement[0]`},
		{"enforcement:\n- {action: warn, rules: [SP101]}\n- {action: off}\n", `c.yaml:5: enforcement[1]: overlaps with enforcement[0]`},
		{exemption + "- {rule: SP101, namespace: team-a, name: app1, reason: again, expires: 2026-07-01}\n", `c.yaml:5: exemptions[1]: is for the same as exemptions[0]`},
		{strings.Replace(exemption, "SP101", "SP1", 1), `c.yaml:4: exemptions[0].rule: "SP1" is not the id of a rule`},
		{strings.Replace(exemption, "team-a", "'*'", 1), `c.yaml:4: exemptions[0].namespace: "*" is not the name of a namespace`},
		{strings.Replace(exemption, "app1", "'*'", 1), `c.yaml:4: exemptions[0].name: "*" is not the name of an object`},
		{strings.Replace(exemption, "migration", "''", 1), `c.yaml:4: exemptions[0].reason: is missing`},
		{strings.Replace(exemption, "2026-06-01", "tomorrow", 1), `c.yaml:4: exemptions[0].expires: "tomorrow" is not a day`},
		{strings.Replace(exemption, "2026-06-01", "2026-01-01", 1), `c.yaml:4: exemptions[0].expires: 2026-01-01 is over`},
	} {
		_, err := LoadConfig("c.yaml", []byte(configHead+tt.config), "2026-01-01")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.config, err, tt.want)
		}
	}
}

func TestGlobsOverlap(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"", "", true}, {"*", "", true}, {"*", "anything", true},
		{"team-*", "team-a", true}, {"team-*", "team", false}, {"*-a", "team-a", true}, {"*-a", "team-ab", false},
		{"a*c", "abc", true}, {"a*c", "ab", false}, {"a*", "*b", true}, {"a*c", "b*", false}, {"a*c*e", "abcde", true},
	} {
		if globsOverlap(tt.a, tt.b) != tt.want || globsOverlap(tt.b, tt.a) != tt.want {
			t.Errorf("globsOverlap(%q, %q), want %v", tt.a, tt.b, tt.want)
		}
	}
}
