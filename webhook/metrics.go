package webhook

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"

	"sallyport.dev/policy"
)

// Metrics counts what the webhook does. Every label has a bounded set of
// values: no names, no hosts, no users.
type Metrics struct {
	reviews  *prometheus.CounterVec
	findings *prometheus.CounterVec
	exempt   *prometheus.CounterVec
	duration *prometheus.HistogramVec
	panics   prometheus.Counter
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_reviews_total",
			Help: "Admission reviews answered, by path, operation, kind, verdict (allow, patch, deny, invalid, unavailable, error) and whether they were dry runs.",
		}, []string{"path", "operation", "kind", "verdict", "dry_run"}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_findings_total",
			Help: "Findings of validated objects, by rule id and severity (deny, warn).",
		}, []string{"rule", "severity"}),
		exempt: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_exemptions_used_total",
			Help: "Findings that an exemption of the configuration made warnings of, by rule id.",
		}, []string{"rule"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sallyport_review_duration_seconds",
			Help:    "Time from a decoded admission request to its answer in seconds, by path.",
			Buckets: prometheus.ExponentialBuckets(10e-6, 4, 10), // 10 µs to 2.6 s
		}, []string{"path"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sallyport_panics_total",
			Help: "Reviews that were refused because sallyport itself failed. Each is a defect.",
		}),
	}
	registry.MustRegister(m.reviews, m.findings, m.exempt, m.duration, m.panics)
	return m
}

// begin starts the clock of a review; the returned function stops it.
func (m *Metrics) begin(path string, req *admissionv1.AdmissionRequest) func(*admissionv1.AdmissionResponse) {
	start := time.Now()
	return func(response *admissionv1.AdmissionResponse) {
		m.duration.WithLabelValues(path).Observe(time.Since(start).Seconds())
		m.reviews.WithLabelValues(path, operationLabel(req), kindLabel(req), verdict(response), strconv.FormatBool(dryRun(req))).Inc()
	}
}

func (m *Metrics) count(findings []policy.Finding) {
	for _, f := range findings {
		m.findings.WithLabelValues(f.Rule.ID, string(f.Severity)).Inc()
		if f.Exempt {
			m.exempt.WithLabelValues(f.Rule.ID).Inc()
		}
	}
}

func verdict(response *admissionv1.AdmissionResponse) string {
	switch {
	case response.Allowed && len(response.Patch) > 0:
		return "patch"
	case response.Allowed:
		return "allow"
	}
	switch response.Result.Code {
	case http.StatusForbidden:
		return "deny"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusInternalServerError:
		return "error"
	}
	return "invalid"
}

const otherLabel = "other"

func operationLabel(req *admissionv1.AdmissionRequest) string {
	switch req.Operation {
	case admissionv1.Create, admissionv1.Update, admissionv1.Delete, admissionv1.Connect:
		return string(req.Operation)
	}
	return otherLabel
}

func kindLabel(req *admissionv1.AdmissionRequest) string {
	if kind, known, err := policy.KindOf(apiVersion(req.Kind), req.Kind.Kind); known && err == nil {
		return string(kind)
	}
	return otherLabel
}

// ObserveWorld registers gauges of what the Mirror holds.
func (m *Mirror) ObserveWorld(registry prometheus.Registerer) {
	for _, s := range m.stores {
		labels := prometheus.Labels{"kind": string(s.info.Kind)}
		registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "sallyport_world_objects", Help: "Objects of the cluster that sallyport holds in memory, by kind.", ConstLabels: labels,
			}, func() float64 { return float64(m.snapshot.Len(s.info.Kind)) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "sallyport_world_synced", Help: "1 when the kind was listed completely or is not installed, else 0.", ConstLabels: labels,
			}, func() float64 {
				if s.state.Load() == unlisted {
					return 0
				}
				return 1
			}),
		)
	}
}
