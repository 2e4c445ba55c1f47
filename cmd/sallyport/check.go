package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport.dev/policy"
)

type checkFlags struct {
	files     []string
	world     []string
	config    string
	namespace string
	output    string
	delete    bool
}

func (f *checkFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.files, "filename", "f", nil, "file, directory (all manifests below it) or - for stdin, with the objects; can be given again")
	cmd.Flags().StringArrayVar(&f.world, "world", nil, "file or directory with what the cluster holds already; can be given again")
	cmd.Flags().StringVar(&f.config, "config", "", "sallyport's configuration file (default: the built-in names)")
	cmd.Flags().StringVarP(&f.namespace, "namespace", "n", "default", "namespace of objects that name none")
	_ = cmd.MarkFlagRequired("filename")
}

func newCheck() *cobra.Command {
	var flags checkFlags
	cmd := &cobra.Command{
		Use:   "check -f FILE",
		Short: "Answer what the cluster would answer, without a cluster",
		Long: `check completes and judges every object of the given files as the admission
webhook would. What it judges them by is the objects of --world and all other
objects of -f. An object that --world holds too is an update of that one.
With --delete the objects are deleted one after the other, as kubectl does.

Exit code: 0 all admitted, 1 something denied, 2 wrong usage or unreadable input.`,
		Example: `  sallyport check -f mapping.yaml
  sallyport check -f apps/ --world platform/ -o json
  kustomize build | sallyport check -f -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCheck(cmd, &flags)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVarP(&flags.output, "output", "o", "text", "text, json or yaml")
	cmd.Flags().BoolVar(&flags.delete, "delete", false, "judge the deletion of the objects")
	return cmd
}

func runCheck(cmd *cobra.Command, flags *checkFlags) error {
	write, ok := reportWriters[flags.output]
	if !ok {
		return fmt.Errorf("output %q is not one of text, json, yaml", flags.output)
	}
	config, err := loadConfig(flags.config)
	if err != nil {
		return err
	}
	files, err := readAll(flags.files, cmd.InOrStdin(), flags.namespace)
	if err != nil {
		return err
	}
	held, err := readAll(flags.world, nil, flags.namespace)
	if err != nil {
		return err
	}
	judge := checker{config: config.On(today()), held: world(held), world: world(held, files), delete: flags.delete}
	report := report{Results: []result{}}
	for _, f := range files {
		for _, m := range f.manifests {
			r, err := judge.check(m)
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			report.Results = append(report.Results, r)
		}
	}
	if err := write(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	if report.denied() {
		return errDenied
	}
	return nil
}

// checker judges objects of files.
type checker struct {
	config *policy.Config
	held   *policy.Snapshot // what the cluster holds
	world  *policy.Snapshot // that, and the objects to be judged
	delete bool
}

func (c checker) check(m policy.Manifest) (result, error) {
	r := newResult(m)
	if c.delete {
		r.Operation = "delete"
	}
	switch {
	case m.Object == nil:
		return r, nil
	case c.delete:
		r.judge(policy.Settled{Object: m.Object, Findings: policy.ReviewDeletion(policy.Rules(), c.config, c.world, m.Object)})
		if r.Verdict == "allow" {
			c.world.Delete(policy.RefOf(m.Object)) // the next one is deleted after it
		}
		return r, nil
	}
	old := c.held.Get(policy.RefOf(m.Object))
	if old != nil {
		r.Operation = "update"
	}
	settled, err := policy.SettleUpdate(policy.Rules(), c.config, c.world, old, m.Object)
	if err != nil {
		return r, err
	}
	r.judge(settled)
	r.missing(policy.Unjudged(policy.Rules(), c.config, c.world, m.Object))
	return r, nil
}
