package policy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

func TestSplitDocuments(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"empty", "", []string{""}},
		{"one", "a: 1\n", []string{"a: 1\n"}},
		{"no newline at the end", "a: 1\n---\nb: 2", []string{"a: 1\n", "---\nb: 2"}},
		{"separator first", "---\na: 1\n", []string{"---\na: 1\n"}},
		{"separator last", "a: 1\n---", []string{"a: 1\n", "---"}},
		{"separators alone", "---\n---\n---\n", []string{"---\n", "---\n", "---\n"}},
		{"comment on the separator", "a: 1\n--- # next\nb: 2\n", []string{"a: 1\n", "--- # next\nb: 2\n"}},
		{"comment without a space", "a: 1\n---# next\nb: 2\n", []string{"a: 1\n", "---# next\nb: 2\n"}},
		{"white space after the separator", "a: 1\n--- \t\nb: 2\n", []string{"a: 1\n", "--- \t\nb: 2\n"}},
		{"line ends of Windows", "a: 1\r\n---\r\nb: 2\r\n", []string{"a: 1\r\n", "---\r\nb: 2\r\n"}},
		{"a separator does not stand indented", "a: |\n  x\n  ---\n  y\n", []string{"a: |\n  x\n  ---\n  y\n"}},
		{"a value that begins like one", "a: 1\n---b\n", []string{"a: 1\n---b\n"}},
		{"a document on the separator's line is not cut off", "a: 1\n--- {b: 2}\n", []string{"a: 1\n--- {b: 2}\n"}},
		{"more dashes", "a: 1\n----\nb: 2\n", []string{"a: 1\n----\nb: 2\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range SplitDocuments([]byte(c.file)) {
				got = append(got, string(d))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// kubectlDocuments cuts a file as kubectl does. ok is false when it refuses.
func kubectlDocuments(file []byte) (documents [][]byte, ok bool) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file)))
	for {
		document, err := reader.Read()
		if err != nil {
			return documents, errors.Is(err, io.EOF)
		}
		documents = append(documents, document)
	}
}

// contents are the documents without the separators and without those that are
// empty.
func contents(documents [][]byte) []string {
	var all []string
	for _, d := range documents {
		if line := firstLine(d); isSeparator(line) {
			d = d[len(line):]
		}
		if len(d) > 0 {
			all = append(all, string(d))
		}
	}
	return all
}

// FuzzSplitDocuments: the documents joined are the file, and they are those
// that kubectl finds.
func FuzzSplitDocuments(f *testing.F) {
	files := corpus(f)
	for _, name := range sortedKeys(files) {
		f.Add(files[name])
	}
	for _, seed := range []string{"", "---", "a\n---", "---\n---\n", "a\r\n--- # c\r\nb", "a\n--- \nb\n---c\n----\n", "\n\n---\n\n", "a\n---#\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		documents := SplitDocuments(file)
		if joined := bytes.Join(documents, nil); !bytes.Equal(joined, file) {
			t.Fatalf("joined again: %q\nwas           %q", joined, file)
		}
		for i, d := range documents {
			if i > 0 && !isSeparator(firstLine(d)) {
				t.Errorf("document %d does not begin with a separator: %q", i, d)
			}
			if strings.Contains(string(d[min(len(d), 1):]), "\n---\n") {
				t.Errorf("document %d holds a separator: %q", i, d)
			}
		}
		if bytes.ContainsAny(file, "\r\x00") || len(file) > 0 && file[len(file)-1] != '\n' {
			return // kubectl adds the last newline and changes line ends
		}
		theirs, ok := kubectlDocuments(file)
		if got, want := contents(documents), contents(theirs); ok && !slices.Equal(got, want) {
			t.Errorf("%q\nhere:    %q\nkubectl: %q", file, got, want)
		}
	})
}
