package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Options are the choices of Start; the zero value is a good one.
type Options struct {
	// APIServerFlags are put on the API server's command line, keyed by the
	// flag's name without dashes, e.g. "audit-log-path".
	APIServerFlags map[string][]string

	// LogDir keeps etcd.log and kube-apiserver.log for a look after Stop.
	// When empty they are in the cluster's directory and go with it; an error
	// of Start quotes their ends in either case.
	LogDir string
}

// Cluster is a running control plane.
type Cluster struct {
	// Admin is in system:masters: RBAC does not apply to it, webhooks do.
	Admin *User

	// Dir holds everything the cluster writes and is removed by Stop.
	Dir string

	bins   binaries
	plane  envtest.ControlPlane
	crds   []crd
	reaper *reaper
	logDir string
	logs   []*os.File

	mu      sync.Mutex
	tenants map[string]*User
	detach  func() bool // from ctx of Start
	paused  bool        // by StopAPIServer
	stopped bool
	stopErr error
}

// Start starts a control plane and returns when all its APIs are served and it
// has nothing left to do by itself.
//
// It looks for the Go modules that bring the CRDs from the working directory,
// which is the package's folder under go test. Cancelling ctx stops the
// cluster, so a caller that wants to survive Ctrl-C passes the context of
// signal.NotifyContext; Stop waits for the end in that case too.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	mods, err := findModules(ctx)
	if err != nil {
		return nil, err
	}
	bins, err := findBinaries(mods.repository())
	if err != nil {
		return nil, err
	}
	files, err := mods.crdFiles()
	if err != nil {
		return nil, err
	}
	crds, err := readCRDs(files)
	if err != nil {
		return nil, err
	}
	c, err := newCluster(bins, opts)
	if err != nil {
		return nil, err
	}
	c.crds = crds
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.logTails(), c.Stop())
	}
	c.detach = context.AfterFunc(ctx, func() { _ = c.Stop() })
	return c, nil
}

// newCluster prepares the directory and its reaper, but starts no server.
func newCluster(bins binaries, opts Options) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "sallyport-e2e-")
	if err != nil {
		return nil, fmt.Errorf("make the cluster's directory: %w", err)
	}
	reaper, err := startReaper(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	c := &Cluster{
		Dir:     dir,
		bins:    bins,
		reaper:  reaper,
		logDir:  cmp.Or(opts.LogDir, dir),
		tenants: map[string]*User{},
		detach:  func() bool { return true },
	}
	if err := c.configure(opts.APIServerFlags); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.plane.Start(); err != nil {
		return fmt.Errorf("start the control plane: %w", err)
	}
	admin, err := c.addUser("admin", "default", "system:masters")
	if err != nil {
		return err
	}
	c.Admin = admin
	if err := c.createTenantRole(ctx); err != nil {
		return err
	}
	if err := c.createCRDs(ctx); err != nil {
		return err
	}
	return c.waitReady(ctx)
}

func (c *Cluster) waitReady(ctx context.Context) error {
	if err := c.waitServed(ctx); err != nil {
		return err
	}
	return c.waitSettled(ctx)
}

// Stop ends every process of the cluster and removes its directory. Only the
// first call does something; later ones wait for it and return the same.
func (c *Cluster) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return c.stopErr
	}
	c.stopped = true
	c.detach()
	c.stopErr = errors.Join(c.plane.Stop(), c.closeLogs(), c.reaper.stop())
	return c.stopErr
}

// StopAPIServer stops the API server; etcd keeps running.
func (c *Cluster) StopAPIServer() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.plane.APIServer.Stop(); err != nil {
		return fmt.Errorf("stop the API server: %w", err)
	}
	c.paused = true
	return nil
}

// StartAPIServer starts a stopped API server on its old port, with its old
// certificates and data, and returns when it serves all APIs again.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || !c.paused {
		return errors.New("start the API server: StopAPIServer did not stop it")
	}
	if err := c.plane.APIServer.Start(); err != nil {
		return errors.Join(fmt.Errorf("start the API server: %w", err), c.logTails())
	}
	c.paused = false
	return c.waitReady(ctx)
}
