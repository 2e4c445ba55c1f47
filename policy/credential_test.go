package policy

import "testing"

func TestParseCredential(t *testing.T) {
	for in, want := range map[string]credential{
		"":                      {},
		"app1":                  {Name: "app1", WellFormed: true},
		"app1.tls":              {Name: "app1.tls", WellFormed: true},
		"app1-cacert":           {Name: "app1-cacert", WellFormed: true},
		"team-a/app1":           {Namespace: "team-a", Name: "app1", WellFormed: true},
		"kubernetes://app1":     {Scheme: "kubernetes://", Name: "app1", WellFormed: true},
		"kubernetes://team-a/x": {Scheme: "kubernetes://", Namespace: "team-a", Name: "x", WellFormed: true},

		"kubernetes-gateway://team-a/x": {Scheme: "kubernetes-gateway://", Namespace: "team-a", Name: "x", WellFormed: true},
		"configmap://team-a/x":          {Scheme: "configmap://", Namespace: "team-a", Name: "x", WellFormed: true},
		"builtin://":                    {Scheme: "builtin://"},
		"sds://kubernetes://team-b/x":   {Scheme: "sds://", Namespace: "kubernetes:", Name: ""},
		"KUBERNETES://x":                {Scheme: "KUBERNETES://", Name: "x", WellFormed: true},

		// istiod reads the first two elements and drops the rest.
		"team-b/app1/team-a/app1": {Namespace: "team-b", Name: "app1"},
		"team-a/app1/":            {Namespace: "team-a", Name: "app1"},
		"/app1":                   {Name: "app1"},
		"team-a/":                 {Namespace: "team-a"},
		"/":                       {},
		"team.a/app1":             {Namespace: "team.a", Name: "app1"},
		"Team-A/app1":             {Namespace: "Team-A", Name: "app1"},
		"team-a/App1":             {Namespace: "team-a", Name: "App1"},
		" team-a/app1":            {Namespace: " team-a", Name: "app1"},
		"team-a/app1 ":            {Namespace: "team-a", Name: "app1 "},
		"app1\n":                  {Name: "app1\n"},
		"../app1":                 {Namespace: "..", Name: "app1"},
	} {
		if got := parseCredential(in); got != want {
			t.Errorf("parseCredential(%q) = %+v, want %+v", in, got, want)
		}
	}
}

func TestCredentialIsSecret(t *testing.T) {
	for in, want := range map[string]bool{
		"app1": true, "team-a/app1": true, "kubernetes://app1": true, "kubernetes://team-b/app1": true,
		"kubernetes-gateway://team-a/app1": false, "configmap://team-a/x": false, "builtin://": false,
		"invalid://": false, "sds://app1": false, "Kubernetes://app1": false, "file:///etc/x": false, "://app1": false,
	} {
		if got := parseCredential(in).secret(); got != want {
			t.Errorf("parseCredential(%q).secret() = %t", in, got)
		}
	}
}
