package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// edit applies the edits, checks what must hold for all, and returns the
// edited object and the patch as JSON.
func edit(t *testing.T, object string, edits ...Edit) (edited, patch string) {
	t.Helper()
	original := []byte(object)
	after, ops, err := Apply(original, edits)
	if err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	if string(original) != object {
		t.Errorf("the original was modified: %s", original)
	}
	data, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	if len(ops) == 0 {
		data = []byte("[]")
	}
	applied, err := jsonpatch.DecodePatch(data)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := applied.Apply(original)
	if err != nil {
		t.Fatalf("%s: patch %s: %v", object, data, err)
	}
	if !sameJSON(t, patched, after) {
		t.Errorf("%s: patch %s leads to %s, the edits to %s", object, data, patched, after)
	}
	return string(after), string(data)
}

// sameJSON compares numbers by their digits.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	left, err := decodeJSON(a)
	if err != nil {
		t.Fatal(err)
	}
	right, err := decodeJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(left, right)
}

func TestApply(t *testing.T) {
	label := At("metadata", "labels").Key("istio.io/use-waypoint")
	for _, c := range []struct {
		name, object  string
		edits         []Edit
		edited, patch string
	}{
		{
			"nothing", `{"b":1,"a":2}`, nil,
			`{"a":2,"b":1}`, `[]`,
		},
		{
			"a label joins its neighbours", `{"metadata":{"labels":{"app":"x"}}}`, []Edit{{label, "w"}},
			`{"metadata":{"labels":{"app":"x","istio.io/use-waypoint":"w"}}}`,
			`[{"op":"add","path":"/metadata/labels/istio.io~1use-waypoint","value":"w"}]`,
		},
		{
			"missing parents are made", `{"metadata":{}}`, []Edit{{label, "w"}},
			`{"metadata":{"labels":{"istio.io/use-waypoint":"w"}}}`,
			`[{"op":"add","path":"/metadata/labels","value":{"istio.io/use-waypoint":"w"}}]`,
		},
		{
			"null counts as missing", `{"metadata":{"labels":null}}`, []Edit{{label, "w"}},
			`{"metadata":{"labels":{"istio.io/use-waypoint":"w"}}}`,
			`[{"op":"replace","path":"/metadata/labels","value":{"istio.io/use-waypoint":"w"}}]`,
		},
		{
			"a value is replaced", `{"a":{"x":"old","y":true}}`, []Edit{{At("a", "x"), "new"}},
			`{"a":{"x":"new","y":true}}`, `[{"op":"replace","path":"/a/x","value":"new"}]`,
		},
		{
			"a value that is there makes no patch", `{"a":[443,"x",{"b":true}]}`,
			[]Edit{{At("a").Index(0), 443.0}, {At("a").Index(1), "x"}, {At("a").Index(2), map[string]any{"b": true}}},
			`{"a":[443,"x",{"b":true}]}`, `[]`,
		},
		{
			"an empty value is a value", `{}`, []Edit{{At("s"), ""}, {At("l"), []any{}}, {At("f"), false}},
			`{"f":false,"l":[],"s":""}`,
			`[{"op":"add","path":"/f","value":false},{"op":"add","path":"/l","value":[]},{"op":"add","path":"/s","value":""}]`,
		},
		{
			"removal", `{"a":{"x":1,"y":2}}`, []Edit{{At("a", "x"), nil}},
			`{"a":{"y":2}}`, `[{"op":"remove","path":"/a/x"}]`,
		},
		{
			"removal of what is not there", `{"a":null,"b":{}}`, []Edit{{At("a", "x", "y"), nil}, {At("b", "x"), nil}, {At("c", "x"), nil}, {At("d"), nil}},
			`{"a":null,"b":{}}`, `[]`,
		},
		{
			"removal inside of nothing", `{"l":[null]}`, []Edit{{At("l").Index(0).Key("x"), nil}},
			`{"l":[null]}`, `[]`,
		},
		{
			"removal inside of a list", `{"l":[{"x":1},{"x":2,"y":3}]}`, []Edit{{At("l").Index(1).Key("x"), nil}},
			`{"l":[{"x":1},{"y":3}]}`, `[{"op":"remove","path":"/l/1/x"}]`,
		},
		{
			"one element of a list", `{"l":["a","b","c"]}`, []Edit{{At("l").Index(1), "B"}},
			`{"l":["a","B","c"]}`, `[{"op":"replace","path":"/l/1","value":"B"}]`,
		},
		{
			"a list of another length", `{"l":["a"]}`, []Edit{{At("l"), []any{"a", "b"}}},
			`{"l":["a","b"]}`, `[{"op":"replace","path":"/l","value":["a","b"]}]`,
		},
		{
			"edits build on each other", `{}`, []Edit{{At("l"), []any{map[string]any{}}}, {At("l").Index(0).Key("a"), "x"}, {At("gone"), "x"}, {At("gone"), nil}},
			`{"l":[{"a":"x"}]}`, `[{"op":"add","path":"/l","value":[{"a":"x"}]}]`,
		},
		{
			"odd keys", `{"a/b":{"c~d":{}},"0":{}}`, []Edit{{At("a/b", "c~d", "~1"), "x"}, {At("0", "-"), "z"}},
			`{"0":{"-":"z"},"a/b":{"c~d":{"~1":"x"}}}`,
			`[{"op":"add","path":"/0/-","value":"z"},{"op":"add","path":"/a~1b/c~0d/~01","value":"x"}]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			edited, patch := edit(t, c.object, c.edits...)
			if edited != c.edited {
				t.Errorf("edited: %s\nwant    %s", edited, c.edited)
			}
			if patch != c.patch {
				t.Errorf("patch: %s\nwant   %s", patch, c.patch)
			}
		})
	}
}

// TestApplyKeepsWhatItDoesNotKnow: numbers digit by digit, null, strings of
// all kinds, and members that no type of ours has.
func TestApplyKeepsWhatItDoesNotKnow(t *testing.T) {
	kept := []string{
		`9007199254740993`, `-9223372036854775808`, `18446744073709551615`, `1.10`, `1e400`, `0.1000000000000000055`,
		`null`, `"\u2028"`, `"a\\b\"c"`, `{"deep":[{"er":[[]]}]}`, `""`, `"b` + "\u00fc" + `cher"`,
	}
	object := `{"future":[` + strings.Join(kept, ",") + `],"spec":{}}`
	edited, patch := edit(t, object, Edit{At("spec", "resolution"), "DNS"})
	for _, value := range kept {
		if !strings.Contains(edited, value) {
			t.Errorf("%s became something else in %s", value, edited)
		}
	}
	if strings.Contains(patch, "future") {
		t.Errorf("the patch touches a neighbour: %s", patch)
	}
}

func TestApplyErrors(t *testing.T) {
	for _, c := range []struct {
		object string
		edit   Edit
		want   string
	}{
		{`{"l":["a"]}`, Edit{At("l").Index(1), "b"}, "edit of l[1]: there is no element 1"},
		{`{"l":"a"}`, Edit{At("l").Index(0), "b"}, "edit of l[0]: there is no element 0"},
		{`{}`, Edit{At("l").Index(0), "b"}, "edit of l[0]: there is no element 0"},
		{`{"l":["a"]}`, Edit{At("l").Index(0), nil}, "cannot be removed"},
		{`{"a":"text"}`, Edit{At("a", "b"), "c"}, "b is not a member"},
		{`{"a":[1]}`, Edit{At("a", "b"), "c"}, "b is not a member"},
		{`{"a":"text"}`, Edit{At("a", "b"), nil}, "b is not a member"},
		{`{`, Edit{At("a"), "b"}, "not JSON"},
		{``, Edit{At("a"), "b"}, "not JSON"},
		{`{}`, Edit{At("a"), func() {}}, "edit of a"},
	} {
		_, _, err := Apply([]byte(c.object), []Edit{c.edit})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %v: %v; want %q", c.object, c.edit.At, err, c.want)
		}
	}
}

// TestDiffOfAnything: the patch between any two objects leads from the one to
// the other, and is empty when they are the same.
func TestDiffOfAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		before, after := anyObject(random, 4), anyObject(random, 4)
		original, _ := json.Marshal(before)
		want, _ := json.Marshal(after)
		from, _ := decodeJSON(original)
		to, _ := decodeJSON(want)
		ops := diff(nil, from, to)
		if (len(ops) == 0) != bytes.Equal(original, want) {
			t.Fatalf("from %s to %s: %v", original, want, ops)
		}
		data, _ := json.Marshal(ops)
		if len(ops) == 0 {
			continue
		}
		patch, err := jsonpatch.DecodePatch(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := patch.Apply(original)
		if err != nil || !sameJSON(t, got, want) {
			t.Fatalf("from %s to %s: patch %s leads to %s, %v", original, want, data, got, err)
		}
	}
}

// anyObject makes small objects that have much in common.
func anyObject(random *rand.Rand, depth int) map[string]any {
	object := map[string]any{}
	for range random.IntN(4) {
		object[[]string{"a", "b/c", "~", "0"}[random.IntN(4)]] = anyValue(random, depth-1)
	}
	return object
}

func anyValue(random *rand.Rand, depth int) any {
	choice := random.IntN(6)
	if depth <= 0 {
		choice %= 4
	}
	switch choice {
	case 0:
		return nil
	case 1:
		return random.IntN(2) == 0
	case 2:
		return fmt.Sprint(random.IntN(2))
	case 3:
		return random.IntN(2)
	case 4:
		return anyObject(random, depth)
	}
	list := make([]any, random.IntN(3))
	for i := range list {
		list[i] = anyValue(random, depth-1)
	}
	return list
}
