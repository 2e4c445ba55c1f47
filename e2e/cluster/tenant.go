package cluster

import (
	"context"
	"fmt"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const tenantRole = "tenant-edit"

// tenantRules are what an app team may do in its own namespace. EnvoyFilters
// are missing on purpose: they can undo everything, so no platform that
// sallyport protects hands them out. Namespaces are cluster-scoped and cannot
// be granted by a RoleBinding anyway.
func tenantRules() []rbacv1.PolicyRule {
	grant := func(group string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{
			APIGroups: []string{group},
			Resources: resources,
			Verbs:     []string{"get", "list", "watch", "create", "update", "patch", "delete"},
		}
	}
	return []rbacv1.PolicyRule{
		grant("networking.istio.io", "serviceentries", "destinationrules", "virtualservices", "gateways",
			"workloadentries", "workloadgroups", "sidecars"),
		grant("security.istio.io", "*"),
		grant("extensions.istio.io", "wasmplugins", "trafficextensions"),
		grant("gateway.networking.k8s.io", "httproutes", "grpcroutes", "tlsroutes", "tcproutes", "udproutes",
			"gateways", "referencegrants"),
		grant("", "services", "configmaps", "secrets", "serviceaccounts", "pods"),
		grant("apps", "deployments", "replicasets", "statefulsets", "daemonsets"),
		grant("batch", "jobs", "cronjobs"),
	}
}

func (c *Cluster) createTenantRole(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.Admin.Config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: tenantRole}, Rules: tenantRules()}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create the tenants' role: %w", err)
	}
	return nil
}

// Tenant returns the user "<namespace>-dev", who may edit that namespace and
// nothing else. The namespace is created if absent. A second call for the same
// namespace returns the same user.
func (c *Cluster) Tenant(ctx context.Context, namespace string) (*User, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u, found := c.tenants[namespace]; found {
		return u, nil
	}
	u, err := c.addTenant(ctx, namespace)
	if err != nil {
		return nil, fmt.Errorf("make a tenant of namespace %s: %w", namespace, err)
	}
	c.tenants[namespace] = u
	return u, nil
}

func (c *Cluster) addTenant(ctx context.Context, namespace string) (*User, error) {
	admin, err := kubernetes.NewForConfig(c.Admin.Config)
	if err != nil {
		return nil, err
	}
	if err := createNamespace(ctx, admin, namespace); err != nil {
		return nil, err
	}
	u, err := c.addUser(namespace+"-dev", namespace)
	if err != nil {
		return nil, err
	}
	if err := bindTenant(ctx, admin, u); err != nil {
		return nil, err
	}
	return u, waitBound(ctx, u)
}

func createNamespace(ctx context.Context, admin kubernetes.Interface, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := admin.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func bindTenant(ctx context.Context, admin kubernetes.Interface, u *User) error {
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: tenantRole, Namespace: u.Namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: tenantRole},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: u.Name}},
	}
	_, err := admin.RbacV1().RoleBindings(u.Namespace).Create(ctx, binding, metav1.CreateOptions{})
	return err
}

// waitBound waits until the authorizer, which reads from informers, knows the
// binding: a tenant's first request must not fail because it came too early.
func waitBound(ctx context.Context, u *User) error {
	client, err := kubernetes.NewForConfig(u.Config)
	if err != nil {
		return err
	}
	review := &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: u.Namespace, Verb: "create", Group: "gateway.networking.k8s.io", Resource: "httproutes",
			},
		},
	}
	return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, settleTimeout, true, func(ctx context.Context) (bool, error) {
		answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return false, fmt.Errorf("ask whether the binding is in force: %w", err)
		}
		return answer.Status.Allowed, nil
	})
}
