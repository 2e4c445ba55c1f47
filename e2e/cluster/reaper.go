package cluster

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// reaperScript waits for the end of its standard input, which is the end of
// the process that started it, however that dies. Then it kills the servers
// that are left over and removes the cluster's directory. A process id may
// have been given to a stranger meanwhile; ours have the directory in their
// arguments. (ps is for systems without /proc.)
const reaperScript = `
dir=$1
cat >/dev/null
for file in "$dir"/bin/*.pid; do
	[ -e "$file" ] || continue
	read -r pid <"$file"
	{ cat "/proc/$pid/cmdline" || ps -o args= -p "$pid"; } 2>/dev/null | grep -qF "$dir" && kill -KILL "$pid"
done
rm -rf "$dir"
`

// reaper cleans up after the cluster, also when the test process is killed.
// It takes the place of Pdeathsig, which envtest does not let us set.
type reaper struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

func startReaper(dir string) (*reaper, error) {
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "sallyport-e2e-reaper", dir)
	// A process group of its own, or Ctrl-C at the terminal would end it first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the reaper's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the reaper: %w", err)
	}
	return &reaper{cmd: cmd, stdin: stdin}, nil
}

// stop lets the reaper do its work and waits for it.
func (r *reaper) stop() error {
	_ = r.stdin.Close() // a reaper that is gone already shows in Wait
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("clean up after the cluster: %w", err)
	}
	return nil
}
