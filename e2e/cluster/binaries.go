package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// binaries are the paths of the control plane's programs.
type binaries struct {
	etcd, apiServer, kubectl string
}

// findBinaries looks where envtest's users put theirs (KUBEBUILDER_ASSETS),
// otherwise where "make controlplane" puts ours.
func findBinaries(repository string) (binaries, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		dir = filepath.Join(repository, "bin", "controlplane")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, fmt.Errorf("locate the control plane: %w", err)
	}
	b := binaries{
		etcd:      filepath.Join(dir, "etcd"),
		apiServer: filepath.Join(dir, "kube-apiserver"),
		kubectl:   filepath.Join(dir, "kubectl"),
	}
	for _, path := range []string{b.etcd, b.apiServer, b.kubectl} {
		if err := executable(path); err != nil {
			return binaries{}, fmt.Errorf("no control plane to test on: %w; run \"make controlplane\" or set KUBEBUILDER_ASSETS", err)
		}
	}
	return b, nil
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return &os.PathError{Op: "execute", Path: path, Err: errors.New("not an executable file")}
	}
	return nil
}
