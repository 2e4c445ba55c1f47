package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sallyport.dev/policy"
)

// maxObject bounds, in bytes, the object of a review. The API server takes no
// larger request (k8s.io/apiserver pkg/server/config.go, MaxRequestBodyBytes).
const maxObject = 3 << 20

// World is a policy.World that says when it is complete.
type World struct {
	policy.World
	// Missing returns what is not known yet and has to be to judge an object of
	// this kind. Empty means complete.
	Missing func(judged policy.Kind) []policy.Kind
}

// Judge answers admission requests.
type Judge struct {
	Rules   []*policy.Rule
	Config  *policy.Config
	World   World
	Metrics *Metrics
	Log     logr.Logger
	// Today returns the day in UTC, like 2026-12-31, for exemptions that expire.
	Today func() string
}

// MutatePath and ValidatePath are where the API server sends its reviews.
const (
	MutatePath   = "/mutate"
	ValidatePath = "/validate"
)

// Mutate completes the object. It never denies: what it cannot complete is
// left for Validate. It does fail when there is nothing to judge by.
func (j *Judge) Mutate(req *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	if req.Operation == admissionv1.Delete {
		return allowed() // there is nothing to complete
	}
	old, object, response := j.decode(req)
	if object == nil {
		return response
	}
	settled, err := policy.SettleUpdate(j.Rules, j.config(), j.World, old, object)
	if err != nil {
		return failure(http.StatusInternalServerError, err)
	}
	if len(settled.Patch) == 0 {
		return allowed()
	}
	patch, err := json.Marshal(settled.Patch)
	if err != nil {
		return failure(http.StatusInternalServerError, err)
	}
	return &admissionv1.AdmissionResponse{Allowed: true, Patch: patch, PatchType: new(admissionv1.PatchTypeJSONPatch)}
}

// Validate judges the final object, or the deletion of one.
func (j *Judge) Validate(req *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	old, object, response := j.decode(req)
	if object == nil {
		return response
	}
	var findings []policy.Finding
	if req.Operation == admissionv1.Delete {
		findings = policy.ReviewDeletion(j.Rules, j.config(), j.World, object)
	} else {
		findings = policy.ReviewUpdate(j.Rules, j.config(), j.World, old, object)
	}
	j.Metrics.count(findings)
	response = allowed()
	if policy.Denies(findings) {
		response = j.denial(req, object, findings)
	}
	response.Warnings = policy.Warnings(findings)
	if len(findings) > 0 {
		response.AuditAnnotations = map[string]string{"rules": strings.Join(ruleIDs(findings), ",")}
	}
	return response
}

func (j *Judge) config() *policy.Config { return j.Config.On(j.Today()) }

// decode returns the object to judge and, for an update, what it replaces; or
// the response when there is nothing to judge: a subresource, or a request
// that cannot be read. Of a deletion it returns what is to be deleted.
func (j *Judge) decode(req *admissionv1.AdmissionRequest) (old, object policy.Object, response *admissionv1.AdmissionResponse) {
	switch req.Operation {
	case admissionv1.Create, admissionv1.Update, admissionv1.Delete:
	case admissionv1.Connect:
		return nil, nil, allowed()
	default:
		return nil, nil, failure(http.StatusBadRequest, fmt.Errorf("operation %q is not one of CREATE, UPDATE, DELETE and CONNECT", req.Operation))
	}
	if req.SubResource != "" {
		// The status subresource cannot change a spec or labels that rules read
		// (k8s.io/apiextensions-apiserver pkg/registry/customresource/status_strategy.go).
		return nil, nil, allowed()
	}
	kind, known, err := policy.KindOf(apiVersion(req.Kind), req.Kind.Kind)
	if err != nil {
		return nil, nil, failure(http.StatusBadRequest, err)
	}
	if !known {
		return nil, nil, failure(http.StatusBadRequest, fmt.Errorf("%s is not a kind that sallyport judges; take it out of the rules of the webhook configuration", req.Kind.String()))
	}
	if missing := j.World.Missing(kind); len(missing) > 0 {
		return nil, nil, failure(http.StatusServiceUnavailable, fmt.Errorf("not judged, try again: sallyport is still reading the cluster, %v to go", missing))
	}
	if req.Operation == admissionv1.Delete {
		// What cannot be read must not be impossible to get rid of.
		object, _, err = decodeObject(kind, req, req.OldObject.Raw)
		if err != nil {
			return nil, nil, allowed()
		}
		return nil, object, nil
	}
	object, status, err := decodeObject(kind, req, req.Object.Raw)
	if err != nil {
		return nil, nil, failure(status, err)
	}
	if req.Operation == admissionv1.Update {
		// An old object that cannot be read excuses nothing in the new one.
		old, _, _ = decodeObject(kind, req, req.OldObject.Raw)
	}
	return old, object, nil
}

func decodeObject(kind policy.Kind, req *admissionv1.AdmissionRequest, raw []byte) (policy.Object, int32, error) {
	if len(raw) == 0 {
		return nil, http.StatusBadRequest, errors.New("the request holds no object")
	}
	if len(raw) > maxObject {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the object has %d bytes, more than the %d that sallyport reads", len(raw), maxObject)
	}
	var written metav1.TypeMeta
	if err := json.Unmarshal(raw, &written); err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("the object is not JSON: %w", err)
	}
	if written.APIVersion != apiVersion(req.Kind) || written.Kind != req.Kind.Kind {
		return nil, http.StatusBadRequest, fmt.Errorf("the object is a %s %s, but the request says %s %s", written.APIVersion, written.Kind, apiVersion(req.Kind), req.Kind.Kind)
	}
	object, err := policy.Decode(kind, raw)
	if err != nil {
		return nil, http.StatusBadRequest, err
	}
	if kind == policy.NamespaceKind {
		return object, 0, nil // the request calls a Namespace its own namespace
	}
	meta := object.Metadata()
	if meta.Namespace == "" {
		meta.Namespace = req.Namespace
	}
	if meta.Namespace != req.Namespace {
		return nil, http.StatusBadRequest, fmt.Errorf("the object is in namespace %q, but the request says %q", meta.Namespace, req.Namespace)
	}
	return object, 0, nil
}

func (j *Judge) denial(req *admissionv1.AdmissionRequest, object policy.Object, findings []policy.Finding) *admissionv1.AdmissionResponse {
	ref := policy.RefOf(object)
	j.Log.Info("denied", "object", ref.String(), "rules", ruleIDs(findings), "operation", req.Operation,
		"user", req.UserInfo.Username, "dryRun", dryRun(req), "request", req.UID)
	details := &metav1.StatusDetails{Name: ref.Name, Group: req.Kind.Group, Kind: req.Kind.Kind}
	for _, f := range policy.OfSeverity(findings, policy.Deny) {
		details.Causes = append(details.Causes, metav1.StatusCause{
			Type: metav1.CauseType(f.Rule.ID), Field: f.At.String(), Message: f.Problem + "; " + f.Remedy,
		})
	}
	response := failure(http.StatusForbidden, errors.New(policy.Denial(ref, findings)))
	response.Result.Details = details
	return response
}

// failure refuses the request with the HTTP status. It goes into the review,
// not into the HTTP response: the API server shows the text of the former to
// the user, and lets no failurePolicy override it
// (k8s.io/apiserver pkg/admission/plugin/webhook/errors/statuserror.go).
func failure(status int32, err error) *admissionv1.AdmissionResponse {
	reasons := map[int32]metav1.StatusReason{
		http.StatusBadRequest:            metav1.StatusReasonBadRequest,
		http.StatusForbidden:             metav1.StatusReasonForbidden,
		http.StatusRequestEntityTooLarge: metav1.StatusReasonRequestEntityTooLarge,
		http.StatusInternalServerError:   metav1.StatusReasonInternalError,
		http.StatusServiceUnavailable:    metav1.StatusReasonServiceUnavailable,
	}
	return &admissionv1.AdmissionResponse{Result: &metav1.Status{
		Status: metav1.StatusFailure, Code: status, Reason: reasons[status], Message: err.Error(),
	}}
}

func allowed() *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Allowed: true}
}

// ruleIDs lists each rule of the findings once, sorted.
func ruleIDs(findings []policy.Finding) []string {
	var ids []string
	for _, f := range findings {
		if !slices.Contains(ids, f.Rule.ID) {
			ids = append(ids, f.Rule.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func apiVersion(gvk metav1.GroupVersionKind) string {
	return strings.TrimPrefix(gvk.Group+"/"+gvk.Version, "/")
}

func dryRun(req *admissionv1.AdmissionRequest) bool {
	return req.DryRun != nil && *req.DryRun
}
