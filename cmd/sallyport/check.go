package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

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
	cmd.Flags().StringArrayVar(&f.world, "world", nil, "file, directory or - for stdin, with what the cluster holds already; can be given again")
	cmd.Flags().StringVar(&f.config, "config", "", "sallyport's configuration file (default: the built-in names)")
	cmd.Flags().StringVarP(&f.namespace, "namespace", "n", "default", "namespace of objects that name none")
}

// load reads all that the flags name: the objects to be judged, and what the
// cluster holds already.
func (f *checkFlags) load(stdin io.Reader) (config *policy.Config, files, held []file, err error) {
	if len(f.files) == 0 {
		return nil, nil, nil, errors.New("there is nothing to read; write -f FILE, -f DIR, or -f - for stdin")
	}
	if config, err = loadConfig(f.config); err != nil {
		return nil, nil, nil, err
	}
	in := inputs{stdin: stdin, namespace: f.namespace}
	files, err = in.read(f.files)
	held, heldErr := in.read(f.world)
	return config, files, held, errors.Join(err, heldErr)
}

// onlyFlags refuses arguments. Most likely they are files.
func onlyFlags(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is not understood; files are named with -f, e.g. %s -f %s", args[0], cmd.CommandPath(), args[0])
	}
	return nil
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
		Args: onlyFlags,
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
	config, files, held, err := flags.load(cmd.InOrStdin())
	if err != nil {
		return err
	}
	judge := checker{config: config.On(today()), existing: identities(held), cluster: newCluster(held, files)}
	check := judge.write
	if flags.delete {
		judge.world = snapshot(files, held)
		check = judge.delete
	}
	report := report{Results: []result{}}
	for _, f := range files {
		for _, m := range f.manifests {
			r, err := check(m)
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			r.file = f.name
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
	cluster
	config   *policy.Config
	existing map[objectRef]bool // what the cluster holds, of any kind and version
}

// write judges the creation or the update of an object.
func (c checker) write(m policy.Manifest) (result, error) {
	r := newResult(m)
	if c.existing[identity(m)] {
		r.Operation = "update"
	}
	if m.Object == nil {
		return r, nil
	}
	old, undo := c.before(m.Object)
	defer undo()
	settled, err := policy.SettleUpdate(policy.Rules(), c.config, c.world, old, m.Object)
	if err != nil {
		return r, err
	}
	r.judge(settled)
	r.missing(policy.Unjudged(policy.Rules(), c.config, c.world, m.Object))
	return r, nil
}

// delete judges the deletion of an object, which a manifest does but name.
func (c checker) delete(m policy.Manifest) (result, error) {
	r := newResult(m)
	r.Operation = "delete"
	if m.Object == nil {
		return r, nil
	}
	ref := policy.RefOf(m.Object)
	object := c.world.Get(ref)
	if object == nil { // named twice
		return r, nil
	}
	r.judge(policy.Settled{Object: object, Findings: policy.ReviewDeletion(policy.Rules(), c.config, c.world, object)})
	if r.Verdict == "allow" {
		c.world.Delete(ref) // the next one is deleted after it
	}
	return r, nil
}

func identities(files []file) map[objectRef]bool {
	all := map[objectRef]bool{}
	for _, f := range files {
		for _, m := range f.manifests {
			all[identity(m)] = true
		}
	}
	return all
}

// identity is what two versions of one object have in common.
func identity(m policy.Manifest) objectRef {
	ref := newResult(m).Object
	ref.APIVersion, _, _ = strings.Cut(ref.APIVersion, "/") // the group
	return ref
}
