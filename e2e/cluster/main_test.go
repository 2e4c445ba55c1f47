package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"sallyport.dev/e2e/cluster"
)

// shared is the one cluster of all tests.
var shared *cluster.Cluster

func TestMain(m *testing.M) {
	run := runTests
	if os.Getenv(victimEnv) != "" {
		run = runVictim
	}
	if err := run(m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runTests(m *testing.M) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	shared = c
	code := m.Run()
	if err := stopAndCheck(c); err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("tests failed with code %d", code)
	}
	return nil
}

// stopAndCheck is the last test: it needs the cluster for itself.
func stopAndCheck(c *cluster.Cluster) error {
	left, err := remainsOf(c)
	if err != nil {
		return err
	}
	if err := c.Stop(); err != nil {
		return err
	}
	if err := c.Stop(); err != nil {
		return fmt.Errorf("stop again: %w", err)
	}
	return left.gone()
}

// remains are what a cluster leaves behind when nobody cleans up.
type remains struct {
	Dir  string
	PIDs map[string]int
}

func remainsOf(c *cluster.Cluster) (remains, error) {
	pids, err := c.PIDs()
	return remains{Dir: c.Dir, PIDs: pids}, err
}

// gone says what is not.
func (r remains) gone() error {
	for name, pid := range r.PIDs {
		if alive(pid) {
			return fmt.Errorf("%s (process %d) outlives the cluster", name, pid)
		}
	}
	if _, err := os.Stat(r.Dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the directory %s outlives the cluster: %v", r.Dir, err)
	}
	return nil
}

func (r remains) waitGone(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true,
		func(context.Context) (bool, error) { return r.gone() == nil, nil })
	if err != nil {
		return errors.Join(err, r.gone())
	}
	return nil
}

// alive does not count a zombie: the first process of many a container never
// asks for the exit codes of the orphans that it inherits.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !bytes.Contains(stat, []byte(") Z "))
}
