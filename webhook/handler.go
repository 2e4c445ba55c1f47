package webhook

import (
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// ioTimeout bounds how long a request may take to arrive and its answer to
// leave. The API server waits for timeoutSeconds of the webhook configuration,
// which is shorter.
const ioTimeout = 15 * time.Second

// Handlers returns what serves the reviews, by path. A panic in a review is
// answered with status 500, never with a permission.
func (j *Judge) Handlers() map[string]http.Handler {
	return map[string]http.Handler{
		MutatePath:   bounded(&admission.Webhook{Handler: admission.HandlerFunc(j.Mutate)}),
		ValidatePath: bounded(&admission.Webhook{Handler: admission.HandlerFunc(j.Validate)}),
	}
}

// bounded limits the time of reading and writing.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection := http.NewResponseController(w)
		deadline := time.Now().Add(ioTimeout)
		// Not every ResponseWriter has deadlines; those of a server do.
		_ = connection.SetReadDeadline(deadline)
		_ = connection.SetWriteDeadline(deadline)
		next.ServeHTTP(w, r)
	})
}
