package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const settleTimeout = 30 * time.Second

// waitSettled waits until two snapshots are equal. The API server makes some
// objects in the background after it says that it is healthy, among them an
// APIService for each version of a CRD's group; a test that compares snapshots
// must not see those come. It also makes the API server set up the storage of
// all CRDs, which it does at the first request.
func (c *Cluster) waitSettled(ctx context.Context) error {
	var last map[string]string
	var lastErr error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, settleTimeout, true, func(ctx context.Context) (bool, error) {
		next, err := c.Snapshot(ctx)
		settled := err == nil && lastErr == nil && maps.Equal(last, next)
		last, lastErr = next, err
		return settled, nil
	})
	if err != nil {
		return fmt.Errorf("wait until the cluster is settled: %w", errors.Join(err, lastErr))
	}
	return nil
}
