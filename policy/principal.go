package policy

import (
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"k8s.io/apimachinery/pkg/util/validation"
)

// principal is the identity that a SPIFFE id of the mesh names:
// spiffe://<trust domain>/ns/<namespace>/sa/<service account>.
type principal struct {
	TrustDomain    string
	Namespace      string
	ServiceAccount string
}

// parsePrincipal takes a SPIFFE id apart. ok is false for any string that is
// not exactly the id that istiod would give a workload
// (istio.io/istio pkg/spiffe/spiffe.go, Identity.String).
func parsePrincipal(s string) (p principal, ok bool) {
	id, err := spiffeid.FromString(s)
	if err != nil {
		return principal{}, false
	}
	parts := strings.Split(id.Path(), "/")
	if len(parts) != 5 || parts[1] != "ns" || parts[3] != "sa" || len(validation.IsDNS1123Label(parts[2])) > 0 || !isName(parts[4]) {
		return principal{}, false
	}
	p = principal{TrustDomain: id.TrustDomain().Name(), Namespace: parts[2], ServiceAccount: parts[4]}
	return p, p.String() == s
}

func (p principal) String() string {
	return "spiffe://" + p.TrustDomain + "/ns/" + p.Namespace + "/sa/" + p.ServiceAccount
}
