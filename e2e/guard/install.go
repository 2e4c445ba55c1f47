package guard

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/yaml"

	"sallyport.dev/policy"
)

// probe breaks a rule whatever the cluster holds, and lacks what is completed.
const probe = `{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
"metadata": {"name": "probe", "namespace": "default"},
"spec": {"hosts": ["%s.invalid"], "ports": [{"number": 443, "name": "https", "protocol": "HTTPS"}]}}`

// Install registers the webhooks as deploy/base does, but for the address, and
// returns when the API server asks both: it reads changed configurations with a
// delay (k8s.io/apiserver pkg/admission/configuration).
func (g *Guard) Install(ctx context.Context) error {
	if err := g.Register(ctx); err != nil {
		return err
	}
	var last string
	ask := func(ctx context.Context, host string) string {
		result := g.cluster.Admin.Kubectl(ctx, fmt.Sprintf(probe, host), "create", "--dry-run=server", "-o", "jsonpath={.spec.resolution}", "-f", "-")
		last = result.Stdout + result.Stderr
		return last
	}
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, readyTimeout, true, func(ctx context.Context) (bool, error) {
		return strings.Contains(ask(ctx, "probe"), "SP501") && ask(ctx, "probe.default.api.example.com") == "DNS", nil
	})
	if err != nil {
		return fmt.Errorf("the API server does not ask sallyport: %w: %s", err, last)
	}
	return nil
}

// Register is Install without the wait.
func (g *Guard) Register(ctx context.Context) error {
	manifests, err := g.webhookManifests()
	if err != nil {
		return err
	}
	if result := g.cluster.Admin.Kubectl(ctx, string(manifests), "apply", "-f", "-"); result.ExitCode != 0 {
		return fmt.Errorf("register the webhooks: %s", result.Stderr)
	}
	return nil
}

// Uninstall removes the webhooks.
func (g *Guard) Uninstall(ctx context.Context) error {
	result := g.cluster.Admin.Kubectl(ctx, "", "delete", "--ignore-not-found", "mutatingwebhookconfiguration/sallyport", "validatingwebhookconfiguration/sallyport")
	if result.ExitCode != 0 {
		return fmt.Errorf("remove the webhooks: %s", result.Stderr)
	}
	return nil
}

// webhookManifests are the shipped ones with the address of this process.
func (g *Guard) webhookManifests() ([]byte, error) {
	file, err := os.ReadFile(filepath.Join(g.repository, "deploy/base/webhooks.yaml"))
	if err != nil {
		return nil, err
	}
	documents := policy.SplitDocuments(file)
	var mutating admissionv1.MutatingWebhookConfiguration
	if err := yaml.UnmarshalStrict(documents[0], &mutating); err != nil {
		return nil, err
	}
	for i := range mutating.Webhooks {
		g.redirect(&mutating.Webhooks[i].ClientConfig)
		mutating.Webhooks[i].MatchConditions = append(mutating.Webhooks[i].MatchConditions, g.conditions()...)
	}
	var validating admissionv1.ValidatingWebhookConfiguration
	if err := yaml.UnmarshalStrict(documents[1], &validating); err != nil {
		return nil, err
	}
	for i := range validating.Webhooks {
		g.redirect(&validating.Webhooks[i].ClientConfig)
		validating.Webhooks[i].MatchConditions = append(validating.Webhooks[i].MatchConditions, g.conditions()...)
	}
	first, err := yaml.Marshal(mutating)
	if err != nil {
		return nil, err
	}
	second, err := yaml.Marshal(validating)
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{first, second}, []byte("---\n")), nil
}

// redirect points a webhook at this process instead of a Service.
func (g *Guard) redirect(config *admissionv1.WebhookClientConfig) {
	url := g.URL + *config.Service.Path
	*config = admissionv1.WebhookClientConfig{URL: &url, CABundle: g.CA}
}

// conditions leave out the user that is to be ignored.
func (g *Guard) conditions() []admissionv1.MatchCondition {
	if g.ignore == "" {
		return nil
	}
	return []admissionv1.MatchCondition{{Name: "ignored-user", Expression: fmt.Sprintf("request.userInfo.username != %q", g.ignore)}}
}
