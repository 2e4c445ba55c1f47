package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"sallyport.dev/e2e/guard"
)

const outageTimeout = 90 * time.Second // client-go backs off for up to a minute

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, outageTimeout, true, func(ctx context.Context) (bool, error) {
		return condition(ctx), nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestAPIServerRestart: sallyport outlives its API server, judges at once when
// it is back, and sees what changes from then on.
func TestAPIServerRestart(t *testing.T) {
	user := tenant(t, "team-outage")
	cleanUp(t, user, "serviceentry/first", "serviceentry/second")
	kubectl(t, user, entryOf("first", "app1.team-outage.api.example.com.invalid"), "create", "-f", "-")

	if err := testCluster().StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-testGuard().Process.Done():
		t.Fatalf("sallyport ended with its API server:\n%s", shared.log)
	case <-time.After(2 * time.Second): // long enough for every watch to break
	}
	if !testGuard().Ready(t.Context()) {
		t.Error("sallyport is not ready without its API server, although it knows the cluster")
	}
	if err := testCluster().StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}

	refused(t, user, "SP101", ruleOf("team-outage", "team-b/cert", "1"), "create", "--dry-run=server", "-f", "-")
	refused(t, user, `declared by ServiceEntry "first" already`, entryOf("second", "app1.team-outage.api.example.com.invalid"), "create", "-f", "-")

	kubectl(t, user, entryOf("second", "app2.team-outage.api.example.com.invalid"), "create", "-f", "-")
	eventually(t, "sallyport sees what was created after the restart", func(ctx context.Context) bool {
		answer := user.Kubectl(ctx, entryOf("third", "app2.team-outage.api.example.com.invalid"), "create", "--dry-run=server", "-f", "-")
		return strings.Contains(answer.Stderr, `declared by ServiceEntry "second" already`)
	})
}

func entryOf(name, host string) string {
	return `{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "` + name + `"},
"spec": {"hosts": ["` + host + `"], "ports": [{"number": 443, "name": "https", "protocol": "HTTPS"}], "resolution": "DNS", "endpoints": [{"address": "api.example.com"}]}}`
}

// TestBeforeSync: a sallyport that has not read the cluster judges nothing,
// and permits nothing.
func TestBeforeSync(t *testing.T) {
	stranger, err := testCluster().User("stranger") // may read nothing
	if err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	g, err := guard.Start(t.Context(), testCluster(), guard.Options{Binary: shared.binary, Kubeconfig: stranger.Kubeconfig, NoWait: true, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
		if err := racesIn(log); err != nil {
			t.Error(err)
		}
	}()
	client := clientOf(t, g)
	eventually(t, "sallyport listens", func(ctx context.Context) bool {
		_, err := post(ctx, client, g.URL+"/validate", "")
		return err == nil
	})
	for _, path := range []string{"/mutate", "/validate"} {
		text, err := post(t.Context(), client, g.URL+path, reviewOf(entryOf("any", "app1.team-a.api.example.com.invalid")))
		if err != nil {
			t.Fatal(err)
		}
		var review admissionv1.AdmissionReview
		if err := json.Unmarshal([]byte(text), &review); err != nil || review.Response == nil {
			t.Fatalf("%s: %v: %s", path, err, text)
		}
		if review.Response.Allowed || review.Response.Result.Code != http.StatusServiceUnavailable || !strings.Contains(review.Response.Result.Message, "not judged, try again") {
			t.Errorf("%s: %s", path, text)
		}
	}
	if g.Ready(t.Context()) {
		t.Error("it calls itself ready")
	}
	installWhile(t, g, func() {
		user := tenant(t, "team-outage")
		refused(t, user, "not judged, try again", entryOf("any", "app1.team-outage.api.example.com.invalid"), "create", "--dry-run=server", "-f", "-")
	})
}

// installWhile puts another sallyport in front of the API server.
func installWhile(t *testing.T, g *guard.Guard, f func()) {
	t.Helper()
	if err := g.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := testGuard().Install(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "the API server asks the other sallyport", func(ctx context.Context) bool {
		answer := testCluster().Admin.Kubectl(ctx, entryOf("probe", "probe.invalid"), "create", "--dry-run=server", "-f", "-")
		return strings.Contains(answer.Stderr, "not judged")
	})
	f()
}

func clientOf(t *testing.T, g *guard.Guard) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(g.CA) {
		t.Fatal("the CA is not PEM")
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
}

func post(ctx context.Context, client *http.Client, url, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

func reviewOf(object string) string {
	object = strings.Replace(object, `"metadata": {`, `"metadata": {"namespace": "team-a", `, 1)
	return `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1", "operation": "CREATE", "namespace": "team-a",
"kind": {"group": "networking.istio.io", "version": "v1", "kind": "ServiceEntry"}, "object": ` + object + `}}`
}

// TestAbuse: what no API server sends, over real TLS. The process stays alive
// and judges on.
func TestAbuse(t *testing.T) {
	client := clientOf(t, testGuard())
	large := strings.Replace(entryOf("large", "app1.team-b.api.example.com.invalid"), `"spec"`, `"padding": "`+strings.Repeat("x", 3<<20-512)+`", "spec"`, 1)
	for _, tt := range []struct{ name, body, want string }{
		{"3 MiB of valid object", reviewOf(large), "SP501"},
		{"an object too large", reviewOf(strings.Replace(large, "xxx", strings.Repeat("x", 1024), 1)), "more than the 3145728 that sallyport reads"},
		{"a body too large", strings.Repeat(" ", 8<<20), "more than the 7340032 bytes of a review"},
		{"malformed JSON", `{"apiVersion":`, "the body is not an AdmissionReview"},
		{"empty", "", "the body is empty"},
		{"empty request", `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}`, "is not one of CREATE, UPDATE, DELETE"},
		{"unknown version", `{"apiVersion": "admission.k8s.io/v7", "kind": "AdmissionReview", "request": {}}`, `of apiVersion \"admission.k8s.io/v7\"`},
		{"wrong kind", strings.ReplaceAll(reviewOf(entryOf("x", "x")), `"ServiceEntry"`, `"Pod"`), "is not a kind that sallyport judges"},
		{"deep", reviewOf(`{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "deep"}, "x": ` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`), "exceeded max depth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := post(t.Context(), client, testGuard().URL+"/validate", tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.ReplaceAll(text, `"`, `\"`), tt.want) && !strings.Contains(text, tt.want) || strings.Contains(text, `"allowed":true`) {
				t.Errorf("answer %.300s, want %q", text, tt.want)
			}
		})
	}
	refused(t, tenant(t, "team-outage"), "SP101", ruleOf("team-outage", "team-b/cert", "1"), "create", "--dry-run=server", "-f", "-")
}
