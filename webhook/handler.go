package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// maxBody bounds, in bytes, a review: two objects and what is around them.
	maxBody = 2*maxObject + 1<<20
	// ioTimeout bounds how long a request may take to arrive and its answer to
	// leave. The API server waits for timeoutSeconds of the webhook
	// configuration, which is shorter.
	ioTimeout = 15 * time.Second
)

// reviewType is the one version of reviews that is understood.
func reviewType() metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}
}

// Handlers returns what serves the reviews, by path.
func (j *Judge) Handlers() map[string]http.Handler {
	return map[string]http.Handler{
		MutatePath:   j.handler(MutatePath, j.Mutate),
		ValidatePath: j.handler(ValidatePath, j.Validate),
	}
}

// handler serves one kind of review. controller-runtime's admission.Webhook
// would do, but takes a review of any version and decodes it twice.
func (j *Judge) handler(path string, judge func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limitTime(w)
		request, status, err := readReview(w, r)
		if err != nil {
			j.Log.Info("a request is no review", "path", path, "error", err.Error(), "remote", r.RemoteAddr)
			http.Error(w, err.Error(), status)
			return
		}
		done := j.Metrics.begin(path, request)
		response := j.guarded(path, request, judge)
		done(response)
		response.UID = request.UID
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(admissionv1.AdmissionReview{TypeMeta: reviewType(), Response: response})
		if err != nil {
			j.Log.Info("an answer did not arrive", "path", path, "error", err.Error(), "request", request.UID)
		}
	})
}

// guarded turns a panic into an error, never into a permission.
func (j *Judge) guarded(path string, request *admissionv1.AdmissionRequest, judge func(*admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse) (response *admissionv1.AdmissionResponse) {
	defer func() {
		if cause := recover(); cause != nil {
			j.Metrics.panics.Inc()
			err := fmt.Errorf("not judged: sallyport has a defect: %v", cause)
			j.Log.Error(err, "panic", "path", path, "request", request.UID, "stack", string(debug.Stack()))
			response = failure(http.StatusInternalServerError, err)
		}
	}()
	return judge(request)
}

// limitTime bounds the time of reading and writing. Not every ResponseWriter
// has deadlines; those of a server do.
func limitTime(w http.ResponseWriter) {
	connection := http.NewResponseController(w)
	deadline := time.Now().Add(ioTimeout)
	_ = connection.SetReadDeadline(deadline)
	_ = connection.SetWriteDeadline(deadline)
}

// readReview returns the request of the review that the body holds.
func readReview(w http.ResponseWriter, r *http.Request) (*admissionv1.AdmissionRequest, int, error) {
	if r.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed, fmt.Errorf("method %s; reviews are sent with POST", r.Method)
	}
	if contentType := r.Header.Get("Content-Type"); contentType != "application/json" {
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("content type %q; reviews are sent as application/json", contentType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than the %d bytes of a review", maxBody)
	}
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("the body did not arrive: %w", err)
	}
	if len(body) == 0 {
		return nil, http.StatusBadRequest, errors.New("the body is empty; an AdmissionReview is expected")
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("the body is not an AdmissionReview: %w", err)
	}
	if review.TypeMeta != reviewType() {
		return nil, http.StatusBadRequest, fmt.Errorf("the body is a %q of apiVersion %q; an AdmissionReview of %s is expected", review.Kind, review.APIVersion, reviewType().APIVersion)
	}
	if review.Request == nil {
		return nil, http.StatusBadRequest, errors.New("the AdmissionReview holds no request")
	}
	return review.Request, http.StatusOK, nil
}
