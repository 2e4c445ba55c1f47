package webhook

import (
	"os"
	"reflect"
	"slices"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"sallyport.dev/policy"
)

// documents reads the documents of a manifest in deploy/.
func documents(t *testing.T, name string) [][]byte {
	t.Helper()
	data, err := os.ReadFile("../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return policy.SplitDocuments(data)
}

// TestWebhookConfiguration: the shipped configurations send what the rules
// judge, in every served version, and nothing else; and they fail closed.
func TestWebhookConfiguration(t *testing.T) {
	docs := documents(t, "base/webhooks.yaml")
	var mutating admissionv1.MutatingWebhookConfiguration
	var validating admissionv1.ValidatingWebhookConfiguration
	if err := yaml.UnmarshalStrict(docs[0], &mutating); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(docs[1], &validating); err != nil {
		t.Fatal(err)
	}
	if len(docs) != 2 || len(mutating.Webhooks) != 1 || len(validating.Webhooks) != 1 {
		t.Fatal("one webhook of each kind is expected")
	}
	m, v := mutating.Webhooks[0], validating.Webhooks[0]
	if *m.ReinvocationPolicy != admissionv1.IfNeededReinvocationPolicy {
		t.Error("reinvocationPolicy is not IfNeeded")
	}
	if *m.ClientConfig.Service.Path != MutatePath || *v.ClientConfig.Service.Path != ValidatePath {
		t.Error("wrong paths")
	}
	asValidating := admissionv1.ValidatingWebhook{
		Rules: m.Rules, FailurePolicy: m.FailurePolicy, MatchPolicy: m.MatchPolicy,
		SideEffects: m.SideEffects, TimeoutSeconds: m.TimeoutSeconds, AdmissionReviewVersions: m.AdmissionReviewVersions,
	}
	for _, w := range []admissionv1.ValidatingWebhook{asValidating, v} {
		if *w.FailurePolicy != admissionv1.Fail || *w.MatchPolicy != admissionv1.Equivalent || *w.SideEffects != admissionv1.SideEffectClassNone ||
			*w.TimeoutSeconds != 5 || !slices.Equal(w.AdmissionReviewVersions, []string{"v1"}) {
			t.Errorf("settings of %q", w.Name)
		}
		if got, want := ruleResources(w.Rules), judgedResources(); !reflect.DeepEqual(got, want) {
			t.Errorf("sent: %v, judged: %v", got, want)
		}
		for _, rule := range w.Rules {
			if !slices.Equal(rule.Operations, []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}) || *rule.Scope != admissionv1.NamespacedScope {
				t.Errorf("operations %v of %v, scope %v", rule.Operations, rule.Resources, *rule.Scope)
			}
		}
	}
}

func ruleResources(rules []admissionv1.RuleWithOperations) map[string][]string {
	sent := map[string][]string{}
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				sent[group+"/"+resource] = rule.APIVersions
			}
		}
	}
	return sent
}

func judgedResources() map[string][]string {
	judged := map[string][]string{}
	for _, rule := range policy.Rules() {
		for _, info := range policy.Kinds() {
			if slices.Contains(rule.Check.Kinds(), info.Kind) {
				judged[info.Group+"/"+info.Resource] = info.Versions
			}
		}
	}
	return judged
}

// TestRBAC: the shipped role reads what the World needs, and does nothing else.
func TestRBAC(t *testing.T) {
	want := map[string][]string{}
	for _, info := range WorldKinds(policy.Rules()) {
		want[info.Group+"/"+info.Resource] = []string{"list", "watch"}
	}
	got := map[string][]string{}
	for _, doc := range documents(t, "base/rbac.yaml") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(doc, &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind != "ClusterRole" {
			continue
		}
		for _, rule := range role.Rules {
			for _, resource := range rule.Resources {
				got[rule.APIGroups[0]+"/"+resource] = rule.Verbs
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("granted: %v, needed: %v", got, want)
	}
}
