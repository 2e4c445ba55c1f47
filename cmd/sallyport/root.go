package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport.dev/policy"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:         "sallyport",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: programName(os.Args[0])},
		Short:       "Guard the way out of a service mesh",
		Long: `sallyport guards the way out of a service mesh: it admits only such
ServiceEntries, DestinationRules and HTTPRoutes as let each team leave by the
shared egress waypoint with its own client certificate, and no other.

Exit code: 0 all is well, 1 something denied, 2 wrong usage or unreadable input.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(newServe(), newCheck(), newFix(), newExplain(), newVersion())
	return root
}

// programName is what the help calls the program: kubectl runs a plugin
// kubectl-sallyport as "kubectl sallyport".
func programName(arg0 string) string {
	name := strings.TrimSuffix(filepath.Base(arg0), ".exe")
	if plugin, found := strings.CutPrefix(name, "kubectl-"); found {
		return "kubectl " + plugin
	}
	return "sallyport"
}

// today is the day in UTC, which exemptions are compared with.
func today() string {
	return time.Now().UTC().Format(time.DateOnly)
}

// loadConfig reads the configuration file, or returns the defaults for "".
func loadConfig(file string) (*policy.Config, error) {
	if file == "" {
		return policy.DefaultConfig(), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return policy.LoadConfig(file, data, today())
}
