package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// launcher starts a server in its own place and leaves its process id behind.
// envtest neither tells the process ids of its children nor lets the caller
// set their attributes (Pdeathsig), see
// sigs.k8s.io/controller-runtime/pkg/internal/testing/process.
const launcher = `#!/bin/sh
echo $$ >"$0.pid"
exec "$0.real" "$@"
`

// writeLauncher returns the path of a launcher for binary. A link to the binary
// is next to it, so that no path needs quoting for the shell.
func (c *Cluster) writeLauncher(name, binary string) (string, error) {
	path := filepath.Join(c.Dir, "bin", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the launcher's directory: %w", err)
	}
	if err := os.Symlink(binary, path+".real"); err != nil {
		return "", fmt.Errorf("link %s: %w", name, err)
	}
	if err := os.WriteFile(path, []byte(launcher), 0o700); err != nil {
		return "", fmt.Errorf("write the launcher of %s: %w", name, err)
	}
	return path, nil
}

// PIDs returns the process ids of the servers, by name: "etcd" and
// "kube-apiserver". A stopped API server keeps its last one.
func (c *Cluster) PIDs() (map[string]int, error) {
	pids := map[string]int{}
	for _, name := range []string{etcdName, apiServerName} {
		text, err := os.ReadFile(filepath.Join(c.Dir, "bin", name+".pid"))
		if err != nil {
			return nil, fmt.Errorf("read the process id of %s: %w", name, err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return nil, fmt.Errorf("read the process id of %s: %w", name, err)
		}
		pids[name] = pid
	}
	return pids, nil
}
