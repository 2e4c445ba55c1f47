// Package webhook answers the API server's admission reviews with the verdicts
// of package policy. It decodes, keeps the World up to date, answers and
// counts; it decides nothing.
package webhook
