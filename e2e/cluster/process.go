package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is a child process, such as the sallyport binary under test. On
// Linux the kernel kills it when the test process dies.
type Process struct {
	PID int

	cmd    *exec.Cmd
	done   chan struct{}
	killed atomic.Bool
}

// Exit says how a process ended.
type Exit struct {
	Code   int  // -1 when a signal ended it
	Killed bool // it did not obey SIGTERM in time and got SIGKILL from Stop
}

// StartProcess starts a program and writes what it prints to log. When ctx is
// cancelled the process is killed.
func StartProcess(ctx context.Context, name string, args []string, log io.Writer) (*Process, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = time.Second // for grandchildren that keep log open
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.PID = cmd.Process.Pid
	return p, nil
}

// run starts the process and waits for it on one thread that lives as long as
// the process: the parent that Pdeathsig watches is not the process that
// forked but its thread, see prctl(2) PR_SET_PDEATHSIG and golang.org/issue/27505.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = p.cmd.Wait() // how it ended is in ProcessState
	close(p.done)
}

// Done is closed when the process has ended, by itself or not.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop asks the process to end with SIGTERM, kills it if it is not gone after
// timeout, and says how it ended. With no timeout it kills at once. It may be
// called after the process has ended, and more than once.
func (p *Process) Stop(timeout time.Duration) (Exit, error) {
	if timeout <= 0 || !p.terminate(timeout) {
		if err := p.kill(); err != nil {
			return Exit{}, fmt.Errorf("kill process %d: %w", p.PID, err)
		}
	}
	<-p.done
	return Exit{Code: p.cmd.ProcessState.ExitCode(), Killed: p.killed.Load()}, nil
}

// terminate reports whether the process ended in time.
func (p *Process) terminate(timeout time.Duration) bool {
	// An error means that it is gone, or else that Stop will fail to kill it.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return true
	case <-time.After(timeout):
		return false
	}
}

func (p *Process) kill() error {
	err := p.cmd.Process.Signal(os.Kill)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err == nil {
		p.killed.Store(true)
	}
	return err
}
