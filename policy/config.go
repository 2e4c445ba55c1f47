package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	configAPIVersion = "config.sallyport.dev/v1alpha1"
	configKind       = "Configuration"
)

// Config is what the platform team tells sallyport. Nothing that a tenant can
// write is part of it.
type Config struct {
	// EgressWaypoints are the waypoints that originate mTLS. The namespaces
	// they live in are the egress namespaces. At least one.
	EgressWaypoints []Waypoint
	// PrincipalHeader is the header that the platform's EnvoyFilter writes the
	// caller's SPIFFE id into.
	PrincipalHeader string
	// TrustDomains are those of the mesh, the first one for what sallyport
	// writes itself. At least one.
	TrustDomains []string
	// SyntheticSuffix is the domain of the synthetic hosts.
	SyntheticSuffix Host
	// ClusterDomain is the DNS domain of the cluster's own Services.
	ClusterDomain Host
	// Ratchet admits an update that is no worse than what it replaces.
	Ratchet bool
	// Enforcement sets the action of rules in namespaces.
	Enforcement []Enforcement
	// Exemptions let single objects pass for a while.
	Exemptions []Exemption

	today string // see On
}

// Waypoint names a waypoint Gateway.
type Waypoint struct {
	Namespace string `yaml:"namespace"`
	Name      string `yaml:"name"`
}

func (w Waypoint) String() string { return w.Namespace + "/" + w.Name }

// DefaultConfig has the names that the public guides of this setup use.
func DefaultConfig() *Config {
	return &Config{
		EgressWaypoints: []Waypoint{{Namespace: "istio-egress", Name: "egress-waypoint"}},
		PrincipalHeader: "%%source.principal%%",
		TrustDomains:    []string{"cluster.local"},
		SyntheticSuffix: "invalid",
		ClusterDomain:   "cluster.local",
		Ratchet:         true,
	}
}

// configFile is the file's form. Absent fields keep their default.
type configFile struct {
	APIVersion      string     `yaml:"apiVersion"`
	Kind            string     `yaml:"kind"`
	EgressWaypoints []Waypoint `yaml:"egressWaypoints"`
	PrincipalHeader *string    `yaml:"principalHeader"`
	TrustDomains    []string   `yaml:"trustDomains"`
	SyntheticSuffix *string    `yaml:"syntheticSuffix"`
	ClusterDomain   *string    `yaml:"clusterDomain"`
	Ratchet         *bool      `yaml:"ratchet"`

	Enforcement []Enforcement `yaml:"enforcement"`
	Exemptions  []Exemption   `yaml:"exemptions"`
}

// LoadConfig reads a configuration file. Unknown and repeated fields are
// errors, and so are exemptions that are over on this day ("" for any day).
// Each error names the file, the line and the field.
func LoadConfig(file string, data []byte, today string) (*Config, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, yamlError(file, &root, err)
	}
	if line := secondDocument(data); line > 0 {
		return nil, fmt.Errorf("%s:%d: a second document; write all fields in one", file, line)
	}
	var in configFile
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(file, &root, err)
	}
	config, problem := in.config(today)
	if problem != nil {
		return nil, fmt.Errorf("%s:%d: %s: %s", file, lineOf(&root, problem.at), problem.at, problem.text)
	}
	return config, nil
}

type configProblem struct {
	at   Path
	text string
}

func (in *configFile) config(today string) (*Config, *configProblem) {
	if in.APIVersion != configAPIVersion {
		return nil, &configProblem{At("apiVersion"), fmt.Sprintf("%q is not understood; write %s", in.APIVersion, configAPIVersion)}
	}
	if in.Kind != configKind {
		return nil, &configProblem{At("kind"), fmt.Sprintf("%q is not understood; write %s", in.Kind, configKind)}
	}
	config := DefaultConfig()
	if in.EgressWaypoints != nil {
		config.EgressWaypoints = in.EgressWaypoints
	}
	if in.TrustDomains != nil {
		config.TrustDomains = in.TrustDomains
	}
	if in.PrincipalHeader != nil {
		config.PrincipalHeader = *in.PrincipalHeader
	}
	if in.SyntheticSuffix != nil {
		config.SyntheticSuffix = Host(*in.SyntheticSuffix)
	}
	if in.ClusterDomain != nil {
		config.ClusterDomain = Host(*in.ClusterDomain)
	}
	if in.Ratchet != nil {
		config.Ratchet = *in.Ratchet
	}
	config.Enforcement, config.Exemptions = in.Enforcement, in.Exemptions
	if problem := config.problem(); problem != nil {
		return nil, problem
	}
	return config, config.enforcementProblem(today)
}

func (c *Config) problem() *configProblem {
	if len(c.EgressWaypoints) == 0 {
		return &configProblem{At("egressWaypoints"), "is empty; name at least one waypoint"}
	}
	for i, w := range c.EgressWaypoints {
		at := At("egressWaypoints").Index(i)
		if len(validation.IsDNS1123Label(w.Namespace)) > 0 {
			return &configProblem{at.Key("namespace"), fmt.Sprintf("%q is not the name of a namespace", w.Namespace)}
		}
		if len(validation.IsDNS1123Subdomain(w.Name)) > 0 {
			return &configProblem{at.Key("name"), fmt.Sprintf("%q is not the name of a Gateway", w.Name)}
		}
		for _, earlier := range c.EgressWaypoints[:i] {
			if earlier == w {
				return &configProblem{at, fmt.Sprintf("%s is listed twice", w)}
			}
		}
	}
	if !headerName(c.PrincipalHeader) {
		return &configProblem{At("principalHeader"), fmt.Sprintf("%q is not the name of a header", c.PrincipalHeader)}
	}
	if len(c.TrustDomains) == 0 {
		return &configProblem{At("trustDomains"), "is empty; name at least one trust domain"}
	}
	for i, domain := range c.TrustDomains {
		if td, err := spiffeid.TrustDomainFromString(domain); err != nil || td.Name() != domain {
			return &configProblem{At("trustDomains").Index(i), fmt.Sprintf("%q is not a SPIFFE trust domain; write it without scheme, e.g. \"cluster.local\"", domain)}
		}
	}
	if len(validation.IsDNS1123Subdomain(string(c.SyntheticSuffix))) > 0 {
		return &configProblem{At("syntheticSuffix"), fmt.Sprintf("%q is not a DNS domain; write it without a leading dot, e.g. \"invalid\"", c.SyntheticSuffix)}
	}
	if len(validation.IsDNS1123Subdomain(string(c.ClusterDomain))) > 0 {
		return &configProblem{At("clusterDomain"), fmt.Sprintf("%q is not a DNS domain, e.g. \"cluster.local\"", c.ClusterDomain)}
	}
	if c.ClusterDomain == c.SyntheticSuffix || c.ClusterDomain.Under(c.SyntheticSuffix) || c.SyntheticSuffix.Under(c.ClusterDomain) {
		return &configProblem{At("syntheticSuffix"), fmt.Sprintf("%q and the cluster domain %q hold each other's names; write a domain that nothing resolves in, e.g. \"invalid\"", c.SyntheticSuffix, c.ClusterDomain)}
	}
	return nil
}

// yamlError puts the file, the line and the field in front of what the YAML
// reader says, and takes our Go types out of it.
func yamlError(file string, root *yaml.Node, err error) error {
	texts := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if mismatch := (*yaml.TypeError)(nil); errors.As(err, &mismatch) {
		texts = mismatch.Errors
	}
	var all []error
	for _, text := range texts {
		line := 1
		if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
			_, text, _ = strings.Cut(text, ": ")
		}
		if field, _, found := strings.Cut(text, " not found in type "); found {
			text = field + " is not known"
		}
		text = strings.NewReplacer("policy.configFile", "a "+configKind, "policy.Waypoint", "a waypoint", "policy.Enforcement", "an enforcement", "policy.Exemption", "an exemption", "policy.Action", "an action").Replace(text)
		all = append(all, fmt.Errorf("%s:%d: %s%s", file, line, fieldAt(root, line), text))
	}
	return errors.Join(all...)
}

// fieldAt returns the last field that begins on the line or before it, with a
// colon, "" when there is none.
func fieldAt(root *yaml.Node, line int) string {
	var found Path
	eachField(root, nil, func(at Path, begins int) {
		if begins <= line {
			found = at
		}
	})
	if found == nil {
		return ""
	}
	return found.String() + ": "
}

// eachField visits the fields below a node, in the order of the file.
func eachField(node *yaml.Node, at Path, visit func(at Path, line int)) {
	for i, child := range node.Content {
		switch {
		case node.Kind == yaml.SequenceNode:
			eachField(child, at.Index(i), visit)
		case node.Kind == yaml.DocumentNode:
			eachField(child, at, visit)
		case i%2 == 1: // Content has key, value, key, value
			key := node.Content[i-1]
			visit(at.Key(key.Value), key.Line)
			eachField(child, at.Key(key.Value), visit)
		}
	}
}

// lineOf finds the line of a field, or of the nearest parent that is there.
func lineOf(node *yaml.Node, at Path) int {
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	line := max(node.Line, 1)
	for _, step := range at {
		child := yamlChild(node, step)
		if child == nil {
			break
		}
		node, line = child, child.Line
	}
	return line
}

func yamlChild(node *yaml.Node, step Step) *yaml.Node {
	if step.IsIndex {
		if node.Kind == yaml.SequenceNode && step.Index < len(node.Content) {
			return node.Content[step.Index]
		}
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == step.Key {
			return node.Content[i+1]
		}
	}
	return nil
}

// headerName is a token of RFC 9110, section 5.6.2.
func headerName(s string) bool {
	if s == "" {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return true
}

// EgressNamespace tells whether an egress waypoint lives in the namespace.
// The platform team owns what is inside.
func (c *Config) EgressNamespace(namespace string) bool {
	for _, w := range c.EgressWaypoints {
		if w.Namespace == namespace {
			return true
		}
	}
	return false
}

// IsEgressWaypoint tells whether the waypoint is one of the configured ones.
func (c *Config) IsEgressWaypoint(waypoint Waypoint) bool {
	for _, w := range c.EgressWaypoints {
		if w == waypoint {
			return true
		}
	}
	return false
}

// waypointsWhere returns the egress waypoints that keep accepts.
func (c *Config) waypointsWhere(keep func(Waypoint) bool) []Waypoint {
	var kept []Waypoint
	for _, w := range c.EgressWaypoints {
		if keep(w) {
			kept = append(kept, w)
		}
	}
	return kept
}

// Synthetic tells whether all that the host stands for is synthetic.
func (c *Config) Synthetic(h Host) bool {
	return h.Under(c.SyntheticSuffix)
}
