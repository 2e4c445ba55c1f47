package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sallyport.dev/policy"
)

// file is an input file with its objects.
type file struct {
	name      string
	data      []byte
	manifests []policy.Manifest
}

// readAll reads files, all manifests below directories, and "-" for stdin, in
// the order given; below a directory in lexical order.
func readAll(names []string, stdin io.Reader, namespace string) ([]file, error) {
	var files []file
	for _, name := range names {
		if name == "-" {
			data, err := io.ReadAll(stdin)
			if err != nil {
				return nil, fmt.Errorf("stdin: %w", err)
			}
			f, err := parse("stdin", data, namespace)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
			continue
		}
		paths, err := manifestPaths(name)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			f, err := parse(path, data, namespace)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
	}
	return files, nil
}

func parse(name string, data []byte, namespace string) (file, error) {
	manifests, err := policy.ReadManifests(data, namespace)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", name, err)
	}
	return file{name: name, data: data, manifests: manifests}, nil
}

// manifestPaths returns a file itself, and the .yaml, .yml and .json files
// below a directory.
func manifestPaths(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var paths []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
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

// world is what the cluster holds according to the files.
func world(files ...[]file) *policy.Snapshot {
	snapshot := &policy.Snapshot{}
	for _, group := range files {
		for _, f := range group {
			for _, m := range f.manifests {
				if m.Object != nil {
					snapshot.Put(m.Object)
				}
			}
		}
	}
	return snapshot
}
