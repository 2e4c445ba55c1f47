package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sallyport.dev/policy"
)

// TestFullObjects: objects with every field set go through sallyport as they go
// past it, but for what is completed.
func TestFullObjects(t *testing.T) {
	s := newStage(t)
	for _, tt := range []struct{ file, patch string }{
		{"serviceentry.yaml", `[{"op": "add", "path": "/metadata/labels/istio.io~1use-waypoint", "value": "egress-waypoint"}]`},
		{"destinationrule.yaml", `[{"op": "replace", "path": "/spec/trafficPolicy/tls/credentialName", "value": "team-full/app1-cert"},
			{"op": "replace", "path": "/spec/trafficPolicy/portLevelSettings/0/tls/credentialName", "value": "team-full/app1-cert"}]`},
		{"httproute.yaml", `[]`},
	} {
		t.Run(tt.file, func(t *testing.T) {
			manifests, err := policy.ReadManifests([]byte(readFile(t, filepath.Join("e2e/testdata/full", tt.file))), "default")
			if err != nil {
				t.Fatal(err)
			}
			m := manifests[0]
			past := s.stored(t, m, true)
			patch, err := jsonpatch.DecodePatch([]byte(tt.patch))
			if err != nil {
				t.Fatal(err)
			}
			want, err := patch.Apply(past)
			if err != nil {
				t.Fatal(err)
			}
			if through := s.stored(t, m, false); !sameJSON(t, through, want) {
				t.Errorf("through sallyport\n%s\nwant\n%s", through, want)
			}
		})
	}
}

// stored returns what the API server would store, without what it makes up.
func (s *stage) stored(t *testing.T, m policy.Manifest, past bool) []byte {
	t.Helper()
	object := unstructuredOf(t, m)
	user := s.namespace(t, object.GetNamespace())
	if past {
		user = s.builder
	}
	created, err := resourceOf(t, dynamicClient(t, user.Config), m).Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		t.Fatal(err)
	}
	created.SetUID("")
	created.SetManagedFields(nil)
	created.SetCreationTimestamp(metav1.Time{})
	data, err := created.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	for data, into := range map[*[]byte]*any{&a: &x, &b: &y} {
		if err := json.Unmarshal(*data, into); err != nil {
			t.Fatal(err)
		}
	}
	return reflect.DeepEqual(x, y)
}
