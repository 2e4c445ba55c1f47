package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"sallyport.dev/policy"
)

// fixture is a Judge behind a real HTTP server.
type fixture struct {
	*testing.T
	judge    *Judge
	server   *httptest.Server
	registry *prometheus.Registry
}

func newFixture(t *testing.T, config *policy.Config, world policy.World) *fixture {
	t.Helper()
	registry := prometheus.NewRegistry()
	judge := &Judge{
		Rules:   policy.Rules(),
		Config:  config,
		World:   World{World: world, Missing: func(policy.Kind) []policy.Kind { return nil }},
		Metrics: NewMetrics(registry),
		Log:     testr.New(t),
		Today:   func() string { return "2026-01-01" },
	}
	mux := http.NewServeMux()
	for path, handler := range judge.Handlers() {
		mux.Handle(path, handler)
	}
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return &fixture{T: t, judge: judge, server: server, registry: registry}
}

// post sends a body and returns the status and the text that come back.
func (f *fixture) post(path string, body []byte) (int, string) {
	f.Helper()
	response, err := f.server.Client().Post(f.server.URL+path, "application/json", bytes.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		f.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (f *fixture) review(path string, request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	f.Helper()
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request:  request,
	})
	if err != nil {
		f.Fatal(err)
	}
	status, text := f.post(path, body)
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal([]byte(text), &review); status != http.StatusOK || err != nil || review.Response == nil || review.TypeMeta != reviewType() {
		f.Fatalf("the answer is not a review: %d %v: %s", status, err, text)
	}
	response := review.Response
	if response.UID != request.UID {
		f.Errorf("the answer has uid %q, want %q", response.UID, request.UID)
	}
	return response
}

// requestFor is what the API server would send for the manifest.
func requestFor(m policy.Manifest) *admissionv1.AdmissionRequest {
	group, version, found := strings.Cut(m.APIVersion, "/")
	if !found {
		group, version = "", m.APIVersion
	}
	return &admissionv1.AdmissionRequest{
		UID:       "1-2-3",
		Kind:      metav1.GroupVersionKind{Group: group, Version: version, Kind: m.KindName},
		Operation: admissionv1.Create,
		Namespace: m.Object.Metadata().Namespace,
		Name:      m.Name,
		Object:    runtime.RawExtension{Raw: m.JSON},
	}
}

// TestPagesOverHTTP: the webhook says of every page what policy says.
func TestPagesOverHTTP(t *testing.T) {
	for _, rule := range policy.Rules() {
		page, err := policy.PageOf(rule.ID)
		if err != nil {
			t.Fatal(err)
		}
		f := newFixture(t, page.Config, page.Snapshot())
		for _, m := range slices.Concat(page.Bad, page.Good) {
			settled, err := policy.Settle(policy.Rules(), page.Config, page.Snapshot(), m.Object)
			if err != nil {
				t.Fatal(err)
			}
			request := requestFor(m)
			mutated := f.review(MutatePath, request)
			if !mutated.Allowed {
				t.Errorf("%s: /mutate denied %s: %s", rule.ID, m.Name, mutated.Result.Message)
			}
			request.Object.Raw = f.patch(request.Object.Raw, mutated)
			if got, want := sorted(t, request.Object.Raw), sorted(t, settled.Object.Metadata().Raw()); got != want {
				t.Errorf("%s: %s: mutated to\n%s\nwant\n%s", rule.ID, m.Name, got, want)
			}
			validated := f.review(ValidatePath, request)
			message := ""
			if !validated.Allowed {
				message = validated.Result.Message
			}
			if want := policy.Denial(policy.RefOf(m.Object), settled.Findings); message != want {
				t.Errorf("%s: %s: denied with\n%q\nwant\n%q", rule.ID, m.Name, message, want)
			}
			if want := policy.Warnings(settled.Findings); !slices.Equal(validated.Warnings, want) {
				t.Errorf("%s: %s: warnings %q, want %q", rule.ID, m.Name, validated.Warnings, want)
			}
		}
	}
}

func (f *fixture) patch(object []byte, response *admissionv1.AdmissionResponse) []byte {
	f.Helper()
	if len(response.Patch) == 0 {
		if response.PatchType != nil {
			f.Error("a patch type without a patch, which the API server refuses")
		}
		return object
	}
	if response.PatchType == nil || *response.PatchType != admissionv1.PatchTypeJSONPatch {
		f.Errorf("patch type %v", response.PatchType)
	}
	patch, err := jsonpatch.DecodePatch(response.Patch)
	if err != nil {
		f.Fatal(err)
	}
	patched, err := patch.Apply(object)
	if err != nil {
		f.Fatal(err)
	}
	return patched
}

// sorted writes JSON in one form.
func sorted(t *testing.T, data []byte) string {
	t.Helper()
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const badEntry = `{"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
"metadata": {"name": "squat", "namespace": "team-a"},
"spec": {"hosts": ["app1.team-b.api.example.com.invalid"], "resolution": "DNS", "endpoints": [{"address": "api.example.com"}]}}`

func entry(object string) *admissionv1.AdmissionRequest {
	return &admissionv1.AdmissionRequest{
		UID:       "4-5-6",
		Kind:      metav1.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "ServiceEntry"},
		Operation: admissionv1.Create,
		Namespace: "team-a",
		Name:      "squat",
		Object:    runtime.RawExtension{Raw: []byte(object)},
	}
}

func TestDenialHasCauses(t *testing.T) {
	f := newFixture(t, policy.DefaultConfig(), &policy.Snapshot{})
	response := f.review(ValidatePath, entry(badEntry))
	if response.Allowed || response.Result.Code != http.StatusForbidden || response.Result.Reason != metav1.StatusReasonForbidden {
		t.Fatalf("response %+v", response)
	}
	object, err := policy.Decode(policy.ServiceEntryKind, []byte(badEntry))
	if err != nil {
		t.Fatal(err)
	}
	finding := policy.Review(policy.Rules(), policy.DefaultConfig(), &policy.Snapshot{}, object)[0]
	want := []metav1.StatusCause{{Type: "SP501", Field: "spec.hosts[0]", Message: finding.Problem + "; " + finding.Remedy}}
	if details := response.Result.Details; details == nil || details.Name != "squat" || details.Kind != "ServiceEntry" || !slices.Equal(details.Causes, want) {
		t.Errorf("details %+v, want causes %+v", details, want)
	}
	if got := response.AuditAnnotations["rules"]; got != "SP501" {
		t.Errorf("audit annotation %q", got)
	}
}

// TestRefusals: what cannot be judged is refused, with a text that says why.
func TestRefusals(t *testing.T) {
	with := func(change func(*admissionv1.AdmissionRequest)) *admissionv1.AdmissionRequest {
		request := entry(badEntry)
		change(request)
		return request
	}
	large := strings.Replace(badEntry, `"spec"`, `"x": "`+strings.Repeat("x", maxObject)+`", "spec"`, 1)
	for _, tt := range []struct {
		name    string
		request *admissionv1.AdmissionRequest
		code    int32
		text    string
	}{
		{"empty request", &admissionv1.AdmissionRequest{}, 400, `operation "" is not one of`},
		{"unknown operation", with(func(r *admissionv1.AdmissionRequest) { r.Operation = "PATCH" }), 400, `operation "PATCH" is not one of`},
		{"no object", with(func(r *admissionv1.AdmissionRequest) { r.Object.Raw = nil }), 400, "holds no object"},
		{"kind of no concern", with(func(r *admissionv1.AdmissionRequest) {
			r.Kind = metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}
		}), 400, "is not a kind that sallyport judges"},
		{"unknown version of a kind", with(func(r *admissionv1.AdmissionRequest) { r.Kind.Version = "v2" }), 400, `ServiceEntry of apiVersion "networking.istio.io/v2" cannot be judged`},
		{"another kind inside", with(func(r *admissionv1.AdmissionRequest) {
			r.Object.Raw = []byte(strings.Replace(badEntry, "ServiceEntry", "Sidecar", 1))
		}), 400, "the object is a networking.istio.io/v1 Sidecar"},
		{"another namespace inside", with(func(r *admissionv1.AdmissionRequest) { r.Namespace = "team-b" }), 400, `the object is in namespace "team-a"`},
		{"a field of another type", entry(strings.Replace(badEntry, `"DNS"`, `4`, 1)), 400, "field spec.resolution"},
		{"a member twice", entry(strings.Replace(badEntry, `"resolution"`, `"hosts": [], "resolution"`, 1)), 400, `duplicate field "spec.hosts"`},
		{"an object too large", entry(large), 413, "more than the 3145728 that sallyport reads"},
	} {
		for _, path := range []string{MutatePath, ValidatePath} {
			t.Run(tt.name+path, func(t *testing.T) {
				f := newFixture(t, policy.DefaultConfig(), &policy.Snapshot{})
				response := f.review(path, tt.request)
				if response.Allowed || response.Result.Code != tt.code || !strings.Contains(response.Result.Message, tt.text) {
					t.Errorf("allowed %v, %d %q; want %d %q", response.Allowed, response.Result.Code, response.Result.Message, tt.code, tt.text)
				}
			})
		}
	}
}

// TestBodies: what is not even a review gets an HTTP error, which the API
// server takes by failurePolicy, and the server judges on.
func TestBodies(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		text       string
	}{
		{"nothing", "", 400, "the body is empty"},
		{"not JSON", "{", 400, "the body is not an AdmissionReview: unexpected end of JSON input"},
		{"no review", "{}", 400, `the body is a "" of apiVersion ""`},
		{"null", "null", 400, `the body is a "" of apiVersion ""`},
		{"a list", "[]", 400, "the body is not an AdmissionReview"},
		{"no request", `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}`, 400, "the AdmissionReview holds no request"},
		{"an older version", `{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {}}`, 400, `an AdmissionReview of admission.k8s.io/v1 is expected`},
		{"an unknown version", `{"apiVersion": "admission.k8s.io/v2", "kind": "AdmissionReview", "request": {}}`, 400, `of apiVersion "admission.k8s.io/v2"`},
		{"another kind", `{"apiVersion": "admission.k8s.io/v1", "kind": "Pod"}`, 400, `the body is a "Pod"`},
		{"too large", `"` + strings.Repeat("x", maxBody) + `"`, 413, "more than the 7340032 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, policy.DefaultConfig(), &policy.Snapshot{})
			if status, text := f.post(ValidatePath, []byte(tt.body)); status != tt.status || !strings.Contains(text, tt.text) {
				t.Errorf("%d %q; want %d %q", status, text, tt.status, tt.text)
			}
			if after := f.review(ValidatePath, entry(badEntry)); after.Allowed || after.Result.Code != http.StatusForbidden {
				t.Errorf("the server no longer judges: %+v", after)
			}
		})
	}
}

func TestMethodAndContentType(t *testing.T) {
	f := newFixture(t, policy.DefaultConfig(), &policy.Snapshot{})
	got, err := f.server.Client().Get(f.server.URL + ValidatePath)
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	if got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", got.Status)
	}
	posted, err := f.server.Client().Post(f.server.URL+ValidatePath, "text/yaml", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	posted.Body.Close()
	if posted.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("POST of text/yaml: %s", posted.Status)
	}
}

// TestLargeObject: an object just below the bound is judged.
func TestLargeObject(t *testing.T) {
	f := newFixture(t, policy.DefaultConfig(), &policy.Snapshot{})
	padding := strings.Repeat("x", maxObject-len(badEntry)-len(`"x": "", `))
	response := f.review(ValidatePath, entry(strings.Replace(badEntry, `"spec"`, `"x": "`+padding+`", "spec"`, 1)))
	if response.Allowed || !strings.Contains(response.Result.Message, "SP501") {
		t.Errorf("response %+v", response)
	}
}

func TestNotSynced(t *testing.T) {
	f := newFixture(t, policy.DefaultConfig(), &policy.Snapshot{})
	f.judge.World.Missing = func(policy.Kind) []policy.Kind { return []policy.Kind{policy.NamespaceKind} }
	for _, path := range []string{MutatePath, ValidatePath} {
		response := f.review(path, entry(badEntry))
		if response.Allowed || response.Result.Code != http.StatusServiceUnavailable || !strings.Contains(response.Result.Message, "not judged, try again") {
			t.Errorf("%s: %+v", path, response)
		}
	}
	if got := testutil.ToFloat64(f.judge.Metrics.reviews.WithLabelValues(ValidatePath, "CREATE", "ServiceEntry", "unavailable", "false")); got != 1 {
		t.Errorf("counted %v unavailable reviews", got)
	}
}

// brokenWorld panics when it is asked.
type brokenWorld struct{ policy.World }

func TestPanicIsNoPermission(t *testing.T) {
	f := newFixture(t, policy.DefaultConfig(), brokenWorld{})
	for _, path := range []string{MutatePath, ValidatePath} {
		response := f.review(path, entry(strings.Replace(badEntry, "team-b", "team-a", 1)))
		if response.Allowed || response.Result.Code != http.StatusInternalServerError {
			t.Errorf("%s: %+v", path, response)
		}
		if got := testutil.ToFloat64(f.judge.Metrics.reviews.WithLabelValues(path, "CREATE", "ServiceEntry", "error", "false")); got != 1 {
			t.Errorf("%s: counted %v errors", path, got)
		}
	}
	if got := testutil.ToFloat64(f.judge.Metrics.panics); got != 2 {
		t.Errorf("counted %v panics", got)
	}
}

// TestNotJudged: requests that cannot change what the rules read.
func TestNotJudged(t *testing.T) {
	f := newFixture(t, policy.DefaultConfig(), brokenWorld{})
	for _, change := range []func(*admissionv1.AdmissionRequest){
		func(r *admissionv1.AdmissionRequest) { r.SubResource = "status"; r.Operation = admissionv1.Update },
		func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Delete; r.Object.Raw = nil },
	} {
		request := entry(badEntry)
		change(request)
		for _, path := range []string{MutatePath, ValidatePath} {
			if response := f.review(path, request); !response.Allowed {
				t.Errorf("%s: %s %s: %s", path, request.Operation, request.SubResource, response.Result.Message)
			}
		}
	}
}

func TestReviewsAreCounted(t *testing.T) {
	f := newFixture(t, policy.DefaultConfig(), &policy.Snapshot{})
	dry := entry(badEntry)
	dry.DryRun = new(true)
	f.review(ValidatePath, dry)
	update := entry(strings.Replace(badEntry, `"resolution": "DNS", `, "", 1))
	update.Operation = admissionv1.Update
	f.review(MutatePath, update)
	other := entry(badEntry)
	other.Kind.Kind = "Anything at all"
	f.review(ValidatePath, other)

	want := `
# HELP sallyport_findings_total Findings of validated objects, by rule id and severity (deny, warn).
# TYPE sallyport_findings_total counter
sallyport_findings_total{rule="SP501",severity="deny"} 1
# HELP sallyport_reviews_total Admission reviews answered, by path, operation, kind, verdict (allow, patch, deny, invalid, unavailable, error) and whether they were dry runs.
# TYPE sallyport_reviews_total counter
sallyport_reviews_total{dry_run="false",kind="ServiceEntry",operation="UPDATE",path="/mutate",verdict="patch"} 1
sallyport_reviews_total{dry_run="false",kind="other",operation="CREATE",path="/validate",verdict="invalid"} 1
sallyport_reviews_total{dry_run="true",kind="ServiceEntry",operation="CREATE",path="/validate",verdict="deny"} 1
`
	if err := testutil.GatherAndCompare(f.registry, strings.NewReader(want), "sallyport_findings_total", "sallyport_reviews_total"); err != nil {
		t.Error(err)
	}
}

// TestTestdataOverHTTP sends the further cases, too, so that no object upsets
// the server.
func TestTestdataOverHTTP(t *testing.T) {
	paths, err := filepath.Glob("../policy/testdata/SP*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		c := readCase(t, path)
		f := newFixture(t, c.Config, c.Snapshot())
		for _, m := range slices.Concat(c.Bad, c.Good) {
			if m.Object == nil {
				continue
			}
			for _, endpoint := range []string{MutatePath, ValidatePath} {
				if response := f.review(endpoint, requestFor(m)); response.Result != nil && response.Result.Code >= 500 {
					t.Errorf("%s: %s: %s", path, m.Name, response.Result.Message)
				}
			}
		}
	}
	if len(paths) == 0 {
		t.Error(fmt.Errorf("no cases found"))
	}
}
