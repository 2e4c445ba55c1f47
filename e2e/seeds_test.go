package e2e_test

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"sallyport.dev/policy"
)

// seedDir holds the manifests of the guides that sallyport is made for. Files
// are applied in the order of their names; the number in front is the guide.
const seedDir = "e2e/testdata/seeds"

// seedNamespaces are the namespaces of kubectl's command line, where it is not
// the default one.
var seedNamespaces = map[string]string{"003-common-certificate-3.yaml": "istio-system"}

// A completion is an "add" of a JSON patch (RFC 6902), with its path cut up.
type completion struct {
	path  []string
	value string
}

// seedCompletions are all that sallyport may change in the guides' objects.
var seedCompletions = map[string][]completion{
	// The label that the version before it had: without it the traffic of all
	// teams would leave without passing the waypoint (SP001).
	"002-step4.yaml/ServiceEntry/istio-egress/httpbin.org": {
		{path: []string{"metadata", "labels", "istio.io/use-waypoint"}, value: "egress-waypoint"},
	},
}

// seedWarnings are all that sallyport may say about a file.
var seedWarnings = map[string][]string{}

type object = unstructured.Unstructured

// seedFile is one file of manifests and what the API server makes of them.
type seedFile struct {
	name     string
	text     string
	objects  []object // as written, but with their namespace
	baseline []object // what is stored when there is no sallyport
	warnings []string // what is said then
}

// TestSeeds: the API server stores every manifest of the guides as it would
// without sallyport, but for what the table above says is completed.
func TestSeeds(t *testing.T) {
	files := readSeeds(t)
	checkTables(t, files)
	setAside(t, files)
	withoutWebhooks(t, func() {
		for _, f := range files {
			f.dryRun(t)
		}
	})
	for guide, files := range byGuide(files) {
		t.Run(guide, func(t *testing.T) {
			t.Cleanup(func() { deleteObjects(t, files) })
			for _, f := range files {
				t.Run(f.name, f.judge)
			}
		})
	}
}

func readSeeds(t *testing.T) []*seedFile {
	t.Helper()
	repository := repositoryOf(t)
	paths, err := filepath.Glob(filepath.Join(repository, seedDir, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests in %s: %v", seedDir, err)
	}
	files := make([]*seedFile, len(paths)) // sorted, as Glob sorts
	for i, path := range paths {
		files[i] = readSeed(t, filepath.Base(path))
	}
	return files
}
