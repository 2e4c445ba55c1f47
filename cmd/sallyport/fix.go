package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport.dev/policy"
)

func newFix() *cobra.Command {
	var flags checkFlags
	var inPlace bool
	cmd := &cobra.Command{
		Use:   "fix -f FILE",
		Short: "Print manifests as the cluster will hold them",
		Long: `fix makes in manifests what the admission webhook would make in the objects,
so that git stores what the cluster will hold. Comments, order and every line
that needs no change stay as they are. What only the author can mend is left;
"check" tells about it.`,
		Example: `  sallyport fix -f mapping.yaml
  sallyport fix -w -f apps/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runFix(cmd, &flags, inPlace)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVarP(&inPlace, "write", "w", false, "write the files in place instead of printing them")
	return cmd
}

func runFix(cmd *cobra.Command, flags *checkFlags, inPlace bool) error {
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
	snapshot := world(held, files)
	for i, f := range files {
		fixed, err := fixFile(config, snapshot, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if inPlace && f.name != "stdin" {
			if err := replaceFile(f.name, f.data, fixed); err != nil {
				return err
			}
			continue
		}
		if err := printFile(cmd.OutOrStdout(), i, fixed); err != nil {
			return err
		}
	}
	return nil
}

// fixFile returns the text of the file with all its objects settled.
func fixFile(config *policy.Config, world policy.World, f file) ([]byte, error) {
	documents := policy.SplitDocuments(f.data)
	for _, m := range f.manifests {
		if m.Object == nil {
			continue
		}
		settled, err := policy.Settle(policy.Rules(), config.On(today()), world, m.Object)
		if err != nil {
			return nil, err
		}
		documents[m.Doc], err = policy.EditYAML(documents[m.Doc], m.Item, settled.Edits)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", policy.RefOf(m.Object), err)
		}
	}
	return bytes.Join(documents, nil), nil
}

// printFile parts the files that it prints by a YAML document separator.
func printFile(out io.Writer, i int, text []byte) error {
	if i > 0 && !bytes.HasPrefix(text, []byte("---")) {
		text = append([]byte("---\n"), text...)
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	_, err := out.Write(text)
	return err
}

// replaceFile writes beside the file and renames, so that an interrupted run
// leaves the old file or the new one. An unchanged file is not touched.
func replaceFile(name string, before, after []byte) error {
	if bytes.Equal(before, after) {
		return nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".sallyport-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // nothing is there after the rename
	_, err = temporary.Write(after)
	if err := firstError(err, temporary.Chmod(info.Mode().Perm()), temporary.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.Rename(temporary.Name(), name)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
