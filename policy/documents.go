package policy

import (
	"bytes"
	"strings"
)

// SplitDocuments cuts a YAML file at its "---" lines as kubectl does
// (k8s.io/apimachinery pkg/util/yaml, YAMLReader). Each document but the first
// starts with the line that parts it from the one before, so that the
// documents joined are the file, byte for byte.
func SplitDocuments(file []byte) [][]byte {
	var documents [][]byte
	start, at := 0, 0
	for at < len(file) {
		line := file[at:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		if at > start && isSeparator(line) {
			documents = append(documents, file[start:at])
			start = at
		}
		at += len(line)
	}
	return append(documents, file[start:])
}

func isSeparator(line []byte) bool {
	rest, found := strings.CutPrefix(string(line), "---")
	rest = strings.TrimSpace(rest)
	return found && (rest == "" || strings.HasPrefix(rest, "#"))
}
