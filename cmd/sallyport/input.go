package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sallyport.dev/policy"
)

// file is an input file with its objects.
type file struct {
	name      string
	data      []byte
	manifests []policy.Manifest
}

const stdinName = "stdin"

// inputs reads files, and stdin at most once.
type inputs struct {
	stdin     io.Reader // nil when it is read
	namespace string
}

// read reads files, all manifests below directories, and "-" for stdin, in the
// order given; below a directory in lexical order. The error tells of every
// file that cannot be read.
func (in *inputs) read(names []string) ([]file, error) {
	var files []file
	var errs []error
	for _, name := range names {
		paths, err := manifestPaths(name)
		if err != nil {
			errs = append(errs, err)
		}
		for _, path := range paths {
			f, err := in.readFile(path)
			if err != nil {
				errs = append(errs, err)
			}
			files = append(files, f)
		}
	}
	return files, errors.Join(errs...)
}

func (in *inputs) readFile(path string) (file, error) {
	if path != "-" {
		data, err := os.ReadFile(path)
		if err != nil {
			return file{}, err
		}
		return in.parse(path, data)
	}
	if in.stdin == nil {
		return file{}, errors.New("stdin can be read only once; write - once")
	}
	data, err := io.ReadAll(in.stdin)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", stdinName, err)
	}
	in.stdin = nil
	return in.parse(stdinName, data)
}

func (in *inputs) parse(name string, data []byte) (file, error) {
	manifests, err := policy.ReadManifests(data, in.namespace)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w%s", name, err, in.whereUnreadable(data))
	}
	return file{name: name, data: data, manifests: manifests}, nil
}

// whereUnreadable tells on which line of the file the first document begins
// that cannot be read. Lines in an error are counted from there.
func (in *inputs) whereUnreadable(data []byte) string {
	line := 1
	for _, document := range policy.SplitDocuments(data) {
		if _, err := policy.ReadManifests(document, in.namespace); err != nil {
			break
		}
		line += bytes.Count(document, []byte("\n"))
	}
	if line == 1 {
		return ""
	}
	return fmt.Sprintf("; the document begins on line %d", line)
}

// manifestPaths returns a file itself, and the .yaml, .yml and .json files
// below a directory.
func manifestPaths(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	root := name
	if !strings.HasSuffix(root, string(filepath.Separator)) {
		root += string(filepath.Separator) // a link to a directory is one, too
	}
	var paths []string
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			paths = append(paths, path)
		}
		return err
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s: no .yaml, .yml or .json file below it", name)
	}
	return paths, err
}

// cluster is what files say about a cluster.
type cluster struct {
	held  *policy.Snapshot // what it holds
	world *policy.Snapshot // that, and the objects to be judged
}

func newCluster(held, files []file) cluster {
	return cluster{held: snapshot(held), world: snapshot(held, files)}
}

// before puts the world into the state in which the API server asks about the
// object: with the version that it takes the place of, or with none. The
// returned function undoes that.
func (c cluster) before(o policy.Object) (old policy.Object, undo func()) {
	ref := policy.RefOf(o)
	current := c.world.Get(ref)
	if old = c.held.Get(ref); old != nil {
		c.world.Put(old)
	} else {
		c.world.Delete(ref)
	}
	return old, func() { c.world.Put(current) }
}

// snapshot holds the objects of files. Of two with one name the last one
// counts.
func snapshot(files ...[]file) *policy.Snapshot {
	s := &policy.Snapshot{}
	for _, group := range files {
		for _, f := range group {
			for _, m := range f.manifests {
				if m.Object != nil {
					s.Put(m.Object)
				}
			}
		}
	}
	return s
}
