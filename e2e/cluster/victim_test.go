package cluster_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"sallyport.dev/e2e/cluster"
)

// victimEnv makes this test binary start a cluster and wait for its death.
const victimEnv = "SALLYPORT_E2E_VICTIM"

func runVictim(*testing.M) error {
	ctx := context.Background()
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	child, err := cluster.StartProcess(ctx, "sleep", []string{"3600"}, os.Stderr)
	if err != nil {
		return err
	}
	left, err := remainsOf(c)
	if err != nil {
		return err
	}
	if runtime.GOOS == "linux" { // the others cannot kill a child with its parent
		left.PIDs["sleep"] = child.PID
	}
	if err := json.NewEncoder(os.Stdout).Encode(left); err != nil {
		return err
	}
	time.Sleep(time.Hour) // until killed
	return c.Stop()
}

// TestKilled kills a test process that has a cluster and no chance to stop it.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts another cluster")
	}
	victim := exec.CommandContext(t.Context(), os.Args[0])
	victim.Env = append(os.Environ(), victimEnv+"=1")
	stdout, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	var left remains
	readErr := json.NewDecoder(bufio.NewReader(stdout)).Decode(&left)
	if err := victim.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = victim.Wait() // "signal: killed"
	if readErr != nil {
		t.Fatalf("the victim started no cluster: %v", readErr)
	}
	if err := left.waitGone(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts another cluster")
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	left, err := remainsOf(c)
	if err != nil {
		t.Error(err)
	}
	cancel()
	if err := left.waitGone(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}
