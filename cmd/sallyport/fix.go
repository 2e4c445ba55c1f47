package main

import (
	"bytes"
	"fmt"
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
"check" tells about it.

With -w, either all files that need it are written, or none is when one of them
cannot be read.

Exit code: 0 done, 2 wrong usage or unreadable input.`,
		Example: `  sallyport fix -f mapping.yaml
  sallyport fix -w -f apps/`,
		Args: onlyFlags,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runFix(cmd, &flags, inPlace)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVarP(&inPlace, "write", "w", false, "write the files that change in place instead of printing all")
	return cmd
}

func runFix(cmd *cobra.Command, flags *checkFlags, inPlace bool) error {
	config, files, held, err := flags.load(cmd.InOrStdin())
	if err != nil {
		return err
	}
	config, cluster := config.On(today()), newCluster(held, files)
	texts := make([][]byte, len(files))
	for i, f := range files { // all of them before the first one is written
		if texts[i], err = fixFile(config, cluster, f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	var printed [][]byte
	for i, f := range files {
		if !inPlace || f.name == stdinName {
			printed = append(printed, texts[i])
			continue
		}
		if err := replaceFile(f.name, f.data, texts[i]); err != nil {
			return err
		}
	}
	_, err = cmd.OutOrStdout().Write(joinFiles(printed))
	return err
}

// fixFile returns the text of the file with all its objects settled.
func fixFile(config *policy.Config, cluster cluster, f file) ([]byte, error) {
	edits := map[int][]policy.Edit{} // by document
	for _, m := range f.manifests {
		if m.Object == nil {
			continue
		}
		_, undo := cluster.before(m.Object)
		settled, err := policy.Settle(policy.Rules(), config, cluster.world, m.Object)
		undo()
		if err != nil {
			return nil, err
		}
		for _, e := range settled.Edits {
			e.At = append(m.Item.Key(), e.At...)
			edits[m.Doc] = append(edits[m.Doc], e)
		}
	}
	documents := policy.SplitDocuments(f.data)
	for i, document := range documents {
		edited, err := policy.EditYAML(document, edits[i])
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		documents[i] = edited
	}
	return bytes.Join(documents, nil), nil
}

// joinFiles makes one YAML stream of files.
func joinFiles(texts [][]byte) []byte {
	var all []byte
	for _, text := range texts {
		if len(all) > 0 && len(text) > 0 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
			if !bytes.HasSuffix(all, []byte("\n")) {
				all = append(all, '\n')
			}
			if !bytes.HasPrefix(text, []byte("---")) {
				all = append(all, "---\n"...)
			}
		}
		all = append(all, text...)
	}
	return all
}

// replaceFile writes beside the file and renames, so that an interrupted run
// leaves the old file or the new one. An unchanged file is not touched, and a
// link stays one.
func replaceFile(name string, before, after []byte) error {
	if bytes.Equal(before, after) {
		return nil
	}
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
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
