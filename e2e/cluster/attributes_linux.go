package cluster

import "syscall"

// childAttributes make the kernel kill a child with its parent, and keep
// Ctrl-C at the terminal from it: stopping it is the caller's business.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
