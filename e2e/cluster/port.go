package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreePort returns a port of the loopback interface on which nobody listens.
//
// It is below the ephemeral ports (32768-60999 on Linux, see ip(7), 49152-65535
// on macOS), unlike the one the kernel picks for port 0. So no outgoing
// connection can take it before its server starts, or while its server is
// stopped: not even a client that dials the stopped server and, by a TCP
// simultaneous open with itself, gets through.
func FreePort() (int, error) {
	const first, last, tries = 20000, 29999, 100
	var lastErr error
	for range tries {
		port := first + rand.IntN(last-first+1)
		listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err != nil {
			lastErr = err
			continue
		}
		if err := listener.Close(); err != nil {
			return 0, fmt.Errorf("give back port %d: %w", port, err)
		}
		return port, nil
	}
	return 0, fmt.Errorf("no free port after %d tries: %w", tries, lastErr)
}
