// Package cluster runs a real Kubernetes control plane, without containers and
// without nodes, for the end-to-end tests: etcd, kube-apiserver and kubectl as
// child processes on loopback, with the CRDs of Istio and of the Gateway API.
//
// There is no controller manager. So namespaces and owned objects are never
// garbage collected (give each test a namespace of its own), there is no
// default service account (its admission plugin is off), and pods never run.
package cluster
