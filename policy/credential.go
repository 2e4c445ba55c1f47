package policy

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// credential is a parsed credentialName.
//
// istiod gives the same Secret many names (istio.io/istio
// pilot/pkg/model/credentials/resource.go, ToResourceName and
// ParseResourceName; pilot/pkg/security/model/authentication.go): a scheme may
// stand in front, a leading "sds://" is cut off and the rest parsed again, and
// only the first two path elements count.
type credential struct {
	// Scheme is "" for a name without one, else all up to and including "://".
	Scheme string
	// Namespace is "" when the name says none: then istiod takes the proxy's.
	Namespace string
	Name      string
	// WellFormed is false for what istiod understands in some way, but nobody
	// should have to.
	WellFormed bool
}

const kubernetesScheme = "kubernetes://"

func parseCredential(s string) credential {
	c := credential{}
	if before, after, found := strings.Cut(s, "://"); found {
		c.Scheme, s = before+"://", after
	}
	parts := strings.Split(s, "/")
	if len(parts) == 1 {
		c.Name = parts[0]
		c.WellFormed = isName(c.Name)
		return c
	}
	c.Namespace, c.Name = parts[0], parts[1]
	c.WellFormed = len(parts) == 2 && len(validation.IsDNS1123Label(c.Namespace)) == 0 && isName(c.Name)
	return c
}

// secret tells whether the credential is a Kubernetes Secret that istiod reads
// by name. The schemes are case-sensitive there.
func (c credential) secret() bool {
	return c.Scheme == "" || c.Scheme == kubernetesScheme
}

// foreign tells whether the credential says another namespace than this one.
func (c credential) foreign(namespace string) bool {
	return c.Namespace != "" && c.Namespace != namespace
}

func isName(s string) bool {
	return len(validation.IsDNS1123Subdomain(s)) == 0
}
