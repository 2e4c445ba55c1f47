// Package guard runs the real sallyport binary in front of a cluster: over TLS,
// as its own ServiceAccount, with the RBAC and the webhook configurations that
// deploy/ ships.
package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"sallyport.dev/certs"
	"sallyport.dev/e2e/cluster"
)

// user is how RBAC knows the ServiceAccount of deploy/base.
const user = "system:serviceaccount:sallyport-system:sallyport"

const readyTimeout = 30 * time.Second

// Guard is a running sallyport.
type Guard struct {
	Process *cluster.Process
	// URL is where it serves reviews, and CA what verifies it, in PEM.
	URL string
	CA  []byte
	// Metrics and Health are the URLs of its plain HTTP servers.
	Metrics string
	Health  string

	cluster    *cluster.Cluster
	repository string
	ignore     string
}

// Options are the choices of Start; the zero value is a good one but for Log.
type Options struct {
	// Binary is the sallyport to run; by default bin/sallyport of the repository.
	Binary string
	// Flags are added to the command line.
	Flags []string
	// Log gets what sallyport logs.
	Log io.Writer
	// Kubeconfig replaces that of the ServiceAccount.
	Kubeconfig string
	// Ignore is a user whose requests the API server does not send.
	Ignore string
	// NoWait makes Start return before sallyport is ready.
	NoWait bool
}

// Start starts sallyport for the cluster and waits until it is ready. The API
// server does not ask it before Install.
func Start(ctx context.Context, c *cluster.Cluster, options Options) (*Guard, error) {
	repository, err := Repository()
	if err != nil {
		return nil, err
	}
	g := &Guard{cluster: c, repository: repository, ignore: options.Ignore}
	if result := c.Admin.Kubectl(ctx, "", "apply", "-f", filepath.Join(repository, "deploy/base/rbac.yaml"), "-f", filepath.Join(repository, "deploy/base/role.yaml")); result.ExitCode != 0 {
		return nil, fmt.Errorf("apply RBAC: %s", result.Stderr)
	}
	if options.Kubeconfig == "" {
		account, err := c.User(user)
		if err != nil {
			return nil, err
		}
		options.Kubeconfig = account.Kubeconfig
	}
	if options.Binary == "" {
		options.Binary = filepath.Join(repository, "bin/sallyport")
	}
	args, err := g.args(options)
	if err != nil {
		return nil, err
	}
	if g.Process, err = cluster.StartProcess(ctx, options.Binary, args, options.Log); err != nil {
		return nil, err
	}
	if options.NoWait {
		return g, nil
	}
	return g, g.WaitReady(ctx)
}

// args makes the certificate and chooses the ports.
func (g *Guard) args(options Options) ([]string, error) {
	pair, err := certs.SelfSigned([]string{"127.0.0.1"}, time.Now(), 24*time.Hour)
	if err != nil {
		return nil, err
	}
	g.CA = pair.CA
	dir, err := os.MkdirTemp(g.cluster.Dir, "certs-")
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "tls.crt"), pair.Cert, 0o600),
		os.WriteFile(filepath.Join(dir, "tls.key"), pair.Key, 0o600),
	)
	if err != nil {
		return nil, err
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = cluster.FreePort(); err != nil {
			return nil, err
		}
	}
	g.URL = fmt.Sprintf("https://127.0.0.1:%d", ports[0])
	g.Metrics = fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[1])
	g.Health = fmt.Sprintf("http://127.0.0.1:%d", ports[2])
	return append([]string{
		"serve",
		"--kubeconfig=" + options.Kubeconfig,
		"--host=127.0.0.1",
		fmt.Sprintf("--port=%d", ports[0]),
		fmt.Sprintf("--metrics-address=127.0.0.1:%d", ports[1]),
		fmt.Sprintf("--health-address=127.0.0.1:%d", ports[2]),
		"--cert-dir=" + dir,
		"--shutdown-delay=0s",
	}, options.Flags...), nil
}

// WaitReady waits until sallyport says that it is ready.
func (g *Guard) WaitReady(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, readyTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case <-g.Process.Done():
			return false, errors.New("it ended")
		default:
		}
		return g.Ready(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("sallyport does not get ready: %w", err)
	}
	return nil
}

// Ready asks /readyz.
func (g *Guard) Ready(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Health+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Stop ends sallyport gracefully.
func (g *Guard) Stop() error {
	exit, err := g.Process.Stop(10 * time.Second)
	switch {
	case err != nil:
		return err
	case exit.Killed || exit.Code != 0:
		return fmt.Errorf("sallyport did not end well: %+v", exit)
	}
	return nil
}

// Repository finds the root of this repository from the working directory.
func Repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "deploy", "base")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not inside of the repository")
		}
		dir = parent
	}
}
