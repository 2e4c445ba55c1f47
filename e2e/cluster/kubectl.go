package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Result is what kubectl answered.
type Result struct {
	Stdout, Stderr string
	ExitCode       int   // -1 when there is none
	Err            error // kubectl could not be run to its end
}

// Kubectl runs kubectl as the user, with stdin as its standard input. It sees
// nothing of the machine's own kubectl: neither its settings nor its caches,
// plugins excepted, which it looks for in PATH.
func (u *User) Kubectl(ctx context.Context, stdin string, args ...string) Result {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, u.kubectl, append([]string{"--kubeconfig", u.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = []string{
		"HOME=" + u.home,
		"KUBECACHEDIR=" + filepath.Join(u.home, "cache"),
		"TMPDIR=" + u.home,
		"PATH=" + os.Getenv("PATH"), // kubectl diff runs diff
	}
	cmd.WaitDelay = time.Second // for children that keep the pipes open
	err := cmd.Run()
	return Result{
		Stdout:   stdout.String(),
		Stderr:   stderr.String(),
		ExitCode: cmd.ProcessState.ExitCode(),
		Err:      unlessExited(ctx, err),
	}
}

// unlessExited drops the error that only says that kubectl exited with a code.
func unlessExited(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return nil
	}
	return err
}
