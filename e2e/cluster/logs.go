package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// openLog opens the log of a server. It stays open until the cluster stops,
// because the server may be restarted.
func (c *Cluster) openLog(name string) (*os.File, error) {
	if err := os.MkdirAll(c.logDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the log directory: %w", err)
	}
	log, err := os.Create(filepath.Join(c.logDir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	c.logs = append(c.logs, log)
	return log, nil
}

func (c *Cluster) closeLogs() error {
	var errs []error
	for _, log := range c.logs {
		errs = append(errs, log.Close())
	}
	return errors.Join(errs...)
}

// logTails is an error that quotes the ends of the servers' logs: envtest's
// own errors only say that a process did not become ready.
func (c *Cluster) logTails() error {
	var errs []error
	for _, log := range c.logs {
		tail, err := tailOf(log.Name(), 4<<10)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, fmt.Errorf("end of %s:\n%s", filepath.Base(log.Name()), tail))
	}
	return errors.Join(errs...)
}

func tailOf(path string, size int64) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	tail, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-size), size))
	return strings.TrimSpace(string(tail)), err
}
