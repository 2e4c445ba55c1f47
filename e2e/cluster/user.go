package cluster

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// User is somebody with a client certificate.
type User struct {
	Name       string
	Namespace  string       // the kubeconfig's default
	Kubeconfig string       // path, in the user's home under Cluster.Dir
	Config     *rest.Config // without client-go's rate limit

	home    string
	kubectl string
}

// User returns a user who may do only what RBAC grants the name and the groups,
// for example a service account by the name it has there.
func (c *Cluster) User(name string, groups ...string) (*User, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addUser(name, "default", groups...)
}

func (c *Cluster) addUser(name, namespace string, groups ...string) (*User, error) {
	added, err := c.plane.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{QPS: -1})
	if err != nil {
		return nil, fmt.Errorf("add user %s: %w", name, err)
	}
	home := filepath.Join(c.Dir, "home", url.QueryEscape(name)) // KUBECONFIG splits at colons
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("make the home of user %s: %w", name, err)
	}
	u := &User{
		Name:       name,
		Namespace:  namespace,
		Kubeconfig: filepath.Join(home, "kubeconfig"),
		Config:     added.Config(),
		home:       home,
		kubectl:    c.bins.kubectl,
	}
	if err := u.writeKubeconfig(added); err != nil {
		return nil, fmt.Errorf("write the kubeconfig of user %s: %w", name, err)
	}
	return u, nil
}

func (u *User) writeKubeconfig(added *envtest.AuthenticatedUser) error {
	content, err := added.KubeConfig()
	if err != nil {
		return err
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		return err
	}
	config.Contexts[config.CurrentContext].Namespace = u.Namespace
	return clientcmd.WriteToFile(*config, u.Kubeconfig)
}
