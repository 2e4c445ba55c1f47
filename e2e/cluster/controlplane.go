package cluster

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	loopback = "127.0.0.1"

	// startTimeout and stopTimeout are for one process on a busy machine; the
	// API server needs about three seconds to start on an idle one.
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second

	etcdName      = "etcd"
	apiServerName = "kube-apiserver"
)

// configure fills in envtest's description of the control plane, so that
// envtest has nothing left to choose: it would throw a directory of its own
// away whenever it stops a server, but a restarted API server must find its
// certificates.
func (c *Cluster) configure(flags map[string][]string) error {
	etcd, err := c.prepare(etcdName, c.bins.etcd)
	if err != nil {
		return err
	}
	apiServer, err := c.prepare(apiServerName, c.bins.apiServer)
	if err != nil {
		return err
	}
	c.plane = envtest.ControlPlane{
		Etcd:        etcd.etcd(),
		APIServer:   apiServer.apiServer(flags),
		KubectlPath: c.bins.kubectl,
	}
	return nil
}

// server is what etcd and the API server need alike.
type server struct {
	path string // of the launcher, see launch.go
	dir  string
	port int
	log  *os.File // not a pipe: a server never waits for a reader
}

func (c *Cluster) prepare(name, binary string) (server, error) {
	path, err := c.writeLauncher(name, binary)
	if err != nil {
		return server{}, err
	}
	dir := filepath.Join(c.Dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return server{}, fmt.Errorf("make the directory of %s: %w", name, err)
	}
	port, err := FreePort()
	if err != nil {
		return server{}, err
	}
	log, err := c.openLog(name)
	if err != nil {
		return server{}, err
	}
	return server{path: path, dir: dir, port: port, log: log}, nil
}

func (s server) etcd() *envtest.Etcd {
	e := &envtest.Etcd{
		Path:         s.path,
		DataDir:      s.dir,
		URL:          &url.URL{Scheme: "http", Host: net.JoinHostPort(loopback, strconv.Itoa(s.port))},
		StartTimeout: startTimeout,
		StopTimeout:  stopTimeout,
		Out:          s.log,
		Err:          s.log,
	}
	// Milliseconds. The only member waits for its election too, by default for
	// a second.
	e.Configure().
		Set("heartbeat-interval", "20").
		Set("election-timeout", "100")
	return e
}

// apiServer adds to envtest's default flags, which turn off the ServiceAccount
// admission plugin and leave the admission webhooks on.
func (s server) apiServer(flags map[string][]string) *envtest.APIServer {
	a := &envtest.APIServer{
		Path:    s.path,
		CertDir: s.dir,
		SecureServing: envtest.SecureServing{
			ListenAddr: envtest.ListenAddr{Address: loopback, Port: strconv.Itoa(s.port)},
		},
		StartTimeout: startTimeout,
		StopTimeout:  stopTimeout,
		Out:          s.log,
		Err:          s.log,
	}
	// Without an address to advertise the API server asks for a default route,
	// which a machine without a network does not have; and a loopback address
	// is not allowed in the endpoints of the "kubernetes" service.
	args := a.Configure().
		Set("advertise-address", loopback).
		Set("endpoint-reconciler-type", "none").
		// Clients that watch would hold up a stop for a minute.
		Set("shutdown-watch-termination-grace-period", "5s")
	for name, values := range flags {
		args.Set(name, values...)
	}
	return a
}
