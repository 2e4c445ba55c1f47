package webhook

import (
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sallyport.dev/policy"
)

// The manifests in deploy/base are made from the rules, so that the API server
// sends what they judge and lets sallyport read what they read.

const (
	appName   = "sallyport"
	namespace = "sallyport-system"
	// timeoutSeconds is what the API server waits for an answer.
	timeoutSeconds = 5
)

// webhookEntry is a group of kinds that one webhook of a configuration is for. The
// kinds that are not Istio's or the Gateway API's have entries of their own,
// which send the few objects that could matter: an outage of sallyport must
// not touch any other.
type webhookEntry struct {
	name       string
	takes      func(policy.KindInfo) bool
	conditions []admissionv1.MatchCondition
	failure    admissionv1.FailurePolicyType
}

func entries() []webhookEntry {
	const labelled = `has(object.metadata.labels) && ("istio.io/use-waypoint" in object.metadata.labels || "istio.io/use-waypoint-canary" in object.metadata.labels)`
	return []webhookEntry{
		{
			name:    "",
			takes:   func(k policy.KindInfo) bool { return k.Group != "" },
			failure: admissionv1.Fail,
		},
		{
			name:    "services.",
			takes:   func(k policy.KindInfo) bool { return k.Kind == policy.ServiceKind },
			failure: admissionv1.Fail,
			conditions: []admissionv1.MatchCondition{{
				Name:       "external-name-or-waypoint",
				Expression: labelled + ` || has(object.spec) && has(object.spec.type) && object.spec.type == "ExternalName"`,
			}},
		},
		{
			// Namespaces are only warned about, so an outage lets them pass.
			name:       "namespaces.",
			takes:      func(k policy.KindInfo) bool { return k.Kind == policy.NamespaceKind },
			failure:    admissionv1.Ignore,
			conditions: []admissionv1.MatchCondition{{Name: "waypoint", Expression: labelled}},
		},
	}
}

// ValidatingConfiguration sends what the rules judge to /validate.
func ValidatingConfiguration(rules []*policy.Rule) *admissionv1.ValidatingWebhookConfiguration {
	config := &admissionv1.ValidatingWebhookConfiguration{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"},
		ObjectMeta: objectMeta(appName, ""),
	}
	for _, e := range entries() {
		judged := rulesFor(e, judgedKinds(rules), admissionv1.Create, admissionv1.Update)
		deleted := rulesFor(e, deletedKinds(rules), admissionv1.Delete)
		if len(judged)+len(deleted) == 0 {
			continue
		}
		config.Webhooks = append(config.Webhooks, admissionv1.ValidatingWebhook{
			Name:                    "validate." + e.name + "sallyport.dev",
			ClientConfig:            clientConfig(ValidatePath),
			Rules:                   append(judged, deleted...),
			FailurePolicy:           &e.failure,
			MatchPolicy:             new(admissionv1.Equivalent),
			NamespaceSelector:       namespaceSelector(e),
			SideEffects:             new(admissionv1.SideEffectClassNone),
			TimeoutSeconds:          new(int32(timeoutSeconds)),
			AdmissionReviewVersions: []string{"v1"},
			MatchConditions:         e.conditions,
		})
	}
	return config
}

// MutatingConfiguration sends what the rules repair to /mutate.
func MutatingConfiguration(rules []*policy.Rule) *admissionv1.MutatingWebhookConfiguration {
	config := &admissionv1.MutatingWebhookConfiguration{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "MutatingWebhookConfiguration"},
		ObjectMeta: objectMeta(appName, ""),
	}
	for _, e := range entries() {
		repaired := rulesFor(e, fixedKinds(rules), admissionv1.Create, admissionv1.Update)
		if len(repaired) == 0 {
			continue
		}
		config.Webhooks = append(config.Webhooks, admissionv1.MutatingWebhook{
			Name:          "mutate." + e.name + "sallyport.dev",
			ClientConfig:  clientConfig(MutatePath),
			Rules:         repaired,
			FailurePolicy: &e.failure,
			MatchPolicy:   new(admissionv1.Equivalent),
			// Another webhook may empty what this one filled in.
			ReinvocationPolicy:      new(admissionv1.IfNeededReinvocationPolicy),
			NamespaceSelector:       namespaceSelector(e),
			SideEffects:             new(admissionv1.SideEffectClassNone),
			TimeoutSeconds:          new(int32(timeoutSeconds)),
			AdmissionReviewVersions: []string{"v1"},
			MatchConditions:         e.conditions,
		})
	}
	return config
}

// Role lets sallyport read what the rules read, and write nothing.
func Role(rules []*policy.Rule) *rbacv1.ClusterRole {
	role := &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: objectMeta(appName, ""),
	}
	for _, group := range groupsOf(WorldKinds(rules)) {
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{group.name}, Resources: group.resources(), Verbs: []string{"list", "watch"}})
	}
	return role
}

func objectMeta(name, inNamespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: inNamespace, Labels: map[string]string{"app.kubernetes.io/name": appName}}
}

func clientConfig(path string) admissionv1.WebhookClientConfig {
	return admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: namespace, Name: appName, Path: &path}}
}

// namespaceSelector keeps the core kinds of kube-system and of sallyport's own
// namespace out, so that an outage can always be mended from there.
func namespaceSelector(e webhookEntry) *metav1.LabelSelector {
	if len(e.conditions) == 0 {
		return nil
	}
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"kube-system", namespace},
	}}}
}

// rulesFor says which resources an entry sends, one rule for those of one group
// with the same versions.
func rulesFor(e webhookEntry, kinds []policy.KindInfo, operations ...admissionv1.OperationType) []admissionv1.RuleWithOperations {
	var rules []admissionv1.RuleWithOperations
	for _, group := range groupsOf(slices.DeleteFunc(kinds, func(k policy.KindInfo) bool { return !e.takes(k) })) {
		for _, sameVersions := range group.byVersions() {
			scope := admissionv1.NamespacedScope
			if sameVersions.kinds[0].ClusterScoped {
				scope = admissionv1.ClusterScope
			}
			rules = append(rules, admissionv1.RuleWithOperations{
				Operations: operations,
				Rule: admissionv1.Rule{
					APIGroups: []string{group.name}, APIVersions: sameVersions.kinds[0].Versions, Resources: sameVersions.resources(), Scope: &scope,
				},
			})
		}
	}
	return rules
}

// group is kinds of one API group.
type group struct {
	name  string
	kinds []policy.KindInfo
}

func (g group) resources() []string {
	var resources []string
	for _, k := range g.kinds {
		resources = append(resources, k.Resource)
	}
	slices.Sort(resources)
	return resources
}

func groupsOf(kinds []policy.KindInfo) []group {
	return partition(kinds, func(a, b policy.KindInfo) bool { return a.Group == b.Group })
}

func (g group) byVersions() []group {
	return partition(g.kinds, func(a, b policy.KindInfo) bool { return slices.Equal(a.Versions, b.Versions) })
}

// partition keeps the order of the first kind of each part.
func partition(kinds []policy.KindInfo, same func(a, b policy.KindInfo) bool) []group {
	var groups []group
	for _, k := range kinds {
		i := slices.IndexFunc(groups, func(g group) bool { return same(g.kinds[0], k) })
		if i < 0 {
			groups = append(groups, group{name: k.Group})
			i = len(groups) - 1
		}
		groups[i].kinds = append(groups[i].kinds, k)
	}
	return groups
}

func judgedKinds(rules []*policy.Rule) []policy.KindInfo {
	return kindsWhere(rules, func(r *policy.Rule) []policy.Kind { return r.Check.Kinds() })
}

func deletedKinds(rules []*policy.Rule) []policy.KindInfo {
	return kindsWhere(rules, func(r *policy.Rule) []policy.Kind { return r.Delete.Kinds() })
}

func fixedKinds(rules []*policy.Rule) []policy.KindInfo {
	return kindsWhere(rules, func(r *policy.Rule) []policy.Kind { return r.Fixes })
}

// WorldKinds returns the kinds that a World for these rules must hold.
func WorldKinds(rules []*policy.Rule) []policy.KindInfo {
	return kindsWhere(rules, func(r *policy.Rule) []policy.Kind { return r.Reads })
}

// kindsWhere returns the kinds that some rule has, in the order of policy.Kinds.
func kindsWhere(rules []*policy.Rule, of func(*policy.Rule) []policy.Kind) []policy.KindInfo {
	var found []policy.KindInfo
	for _, info := range policy.Kinds() {
		if slices.ContainsFunc(rules, func(r *policy.Rule) bool { return slices.Contains(of(r), info.Kind) }) {
			found = append(found, info)
		}
	}
	return found
}
