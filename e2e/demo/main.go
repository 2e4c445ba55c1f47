// Command demo shows sallyport at work: a real API server, the real webhook
// over TLS, and kubectl. It walks through a tour, then leaves all of it running
// for the reader's own kubectl until Ctrl-C. With DEMO=once it ends after the
// tour, with an error if an answer is not the expected one.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sallyport.dev/e2e/cluster"
	"sallyport.dev/e2e/guard"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	start := time.Now()
	fmt.Println("Starting etcd, kube-apiserver and sallyport on loopback ...")
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = c.Stop() }()
	log := &bytes.Buffer{}
	g, err := guard.Start(ctx, c, guard.Options{Log: log})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(log.String(), 20))
	}
	defer func() { _ = g.Stop() }() // before the API server, which waits for its clients
	if err := g.Install(ctx); err != nil {
		return err
	}
	fmt.Printf("Ready after %.1f s.\n", time.Since(start).Seconds())

	tour, err := newTour(ctx, c)
	if err != nil {
		return err
	}
	if err := tour.walk(ctx); err != nil {
		return err
	}
	fmt.Printf("\nThe tour took %.1f s. Every answer was the expected one.\n", time.Since(start).Seconds())
	if os.Getenv("DEMO") == "once" {
		return nil
	}
	invite(c, tour)
	<-ctx.Done()
	fmt.Println("\nStopping.")
	return nil
}

// tail returns the last lines of a text.
func tail(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

func invite(c *cluster.Cluster, t *tour) {
	fmt.Printf(`
All of it runs on until Ctrl-C. In another terminal, as the platform team:

  export KUBECONFIG=%s
  export PATH=%s:$PATH
  kubectl get serviceentries,destinationrules,httproutes -A

or as a member of team-a, who may edit that namespace only:

  export KUBECONFIG=%s

What a rule is about: bin/sallyport explain SP101
`, c.Admin.Kubeconfig, filepath.Join(t.repository, "bin", "controlplane"), t.users["team-a"].Kubeconfig)
}
