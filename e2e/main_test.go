package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport.dev/e2e/cluster"
	"sallyport.dev/e2e/guard"
)

// One cluster with one sallyport serves all tests of this package, which run
// one after the other. A test that changes either puts it back.
var shared struct {
	cluster *cluster.Cluster
	guard   *guard.Guard
	binary  string // sallyport, built with the race detector
	log     *lockedBuffer
}

func testCluster() *cluster.Cluster { return shared.cluster }
func testGuard() *guard.Guard       { return shared.guard }

func TestMain(m *testing.M) {
	if err := run(m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(m *testing.M) (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	dir, err := os.MkdirTemp("", "sallyport-bin-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if shared.binary, err = build(ctx, dir); err != nil {
		return err
	}
	if shared.cluster, err = cluster.Start(ctx, cluster.Options{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.cluster.Stop()) }()
	shared.log = &lockedBuffer{}
	if shared.guard, err = guard.Start(ctx, shared.cluster, guard.Options{Binary: shared.binary, Log: shared.log}); err != nil {
		return fmt.Errorf("%w\n%s", err, shared.log)
	}
	// Before the API server, which waits for its clients.
	defer func() { err = errors.Join(err, shared.guard.Stop(), racesIn(shared.log)) }()
	if err := shared.guard.Install(ctx); err != nil {
		return err
	}
	if code := m.Run(); code != 0 {
		return fmt.Errorf("tests failed with code %d", code)
	}
	return nil
}

// build makes a sallyport that reports data races.
func build(ctx context.Context, dir string) (string, error) {
	repository, err := guard.Repository()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "sallyport")
	cmd := exec.CommandContext(ctx, "go", "build", "-race", "-o", binary, "./cmd/sallyport")
	cmd.Dir = repository
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sallyport: %w\n%s", err, out)
	}
	return binary, nil
}

// racesIn looks for what the race detector writes.
func racesIn(log fmt.Stringer) error {
	if _, report, found := strings.Cut(log.String(), "WARNING: DATA RACE"); found {
		return fmt.Errorf("sallyport has a data race:\n%s", report)
	}
	return nil
}

// kubectl runs kubectl and fails the test when it does not succeed.
func kubectl(t *testing.T, user *cluster.User, stdin string, args ...string) string {
	t.Helper()
	result := user.Kubectl(t.Context(), stdin, args...)
	if result.Err != nil || result.ExitCode != 0 {
		t.Fatalf("kubectl %s: %v\n%s\n%s", strings.Join(args, " "), result.Err, result.Stderr, stdin)
	}
	return result.Stdout
}

// refused runs kubectl, which must be refused with this text.
func refused(t *testing.T, user *cluster.User, want, stdin string, args ...string) {
	t.Helper()
	result := user.Kubectl(t.Context(), stdin, args...)
	if result.Err != nil || result.ExitCode == 0 || !strings.Contains(result.Stderr, want) {
		t.Errorf("kubectl %s: exit %d, want a refusal with %q\n%s%s", strings.Join(args, " "), result.ExitCode, want, result.Stdout, result.Stderr)
	}
}

// tenant returns the user who may edit the namespace.
func tenant(t *testing.T, namespace string) *cluster.User {
	t.Helper()
	user, err := testCluster().Tenant(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// field reads one field of an object by its JSON path.
func field(t *testing.T, user *cluster.User, object, path string) string {
	t.Helper()
	return kubectl(t, user, "", "get", object, "-o", "jsonpath={"+path+"}")
}

// cleanUp deletes objects at the end of the test.
func cleanUp(t *testing.T, user *cluster.User, objects ...string) {
	t.Helper()
	t.Cleanup(func() {
		result := user.Kubectl(context.Background(), "", append([]string{"delete", "--ignore-not-found", "--wait=false"}, objects...)...)
		if result.ExitCode != 0 {
			t.Errorf("clean up: %s", result.Stderr)
		}
	})
}

// readFile reads a file of the repository.
func readFile(t *testing.T, name string) string {
	t.Helper()
	repository, err := guard.Repository()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
