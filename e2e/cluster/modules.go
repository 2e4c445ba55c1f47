package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"

	// The CRDs come out of these modules' folders, which are not Go packages.
	// Importing a package next to them keeps the requirements through
	// "go mod tidy" and makes building a test download the modules.
	_ "istio.io/api/label"
	_ "sigs.k8s.io/gateway-api/pkg/consts"
)

const (
	selfModule    = "sallyport.dev/e2e"
	istioModule   = "istio.io/api"
	gatewayModule = "sigs.k8s.io/gateway-api"
)

// modules maps a Go module's path to its folder.
type modules map[string]string

func findModules(ctx context.Context) (modules, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}}\t{{.Dir}}", selfModule, istioModule, gatewayModule)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("locate the modules that bring the CRDs: go list -m: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	found := modules{}
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "\t")
		if dir == "" {
			return nil, fmt.Errorf("module %s is not in the module cache; run \"go mod download\"", path)
		}
		found[path] = dir
	}
	return found, nil
}

// repository is the folder that holds the e2e module.
func (m modules) repository() string { return filepath.Dir(m[selfModule]) }

// crdFiles are the files with CRDs. The Gateway API's experimental channel
// contains the standard one and adds what an app team could use for a detour,
// such as TCPRoute.
func (m modules) crdFiles() ([]string, error) {
	istio := filepath.Join(m[istioModule], "kubernetes", "customresourcedefinitions.gen.yaml")
	gateway := filepath.Join(m[gatewayModule], "config", "crd", "experimental", "*.yaml")
	found, err := filepath.Glob(gateway)
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no CRDs at %s: %w", gateway, errors.Join(err, fs.ErrNotExist))
	}
	return append(found, istio), nil
}
