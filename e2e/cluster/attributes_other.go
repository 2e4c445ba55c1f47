//go:build unix && !linux

package cluster

import "syscall"

// childAttributes keep Ctrl-C at the terminal from a child: stopping it is the
// caller's business. Only Linux can kill a child with its parent.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
