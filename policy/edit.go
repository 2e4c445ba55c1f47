package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Edit sets one field of an object. Edits work on the object's JSON, not on
// our types, so that fields which our types do not know survive.
type Edit struct {
	At Path
	// Value is a JSON value: string, bool, float64, []any or map[string]any.
	// nil removes the field.
	Value any
}

// Apply returns the object with the edits made, missing parents created, and
// the JSON patch that leads there.
func Apply(object []byte, edits []Edit) ([]byte, []PatchOp, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber() // 64-bit integers survive
	var before any
	if err := decoder.Decode(&before); err != nil {
		return nil, nil, fmt.Errorf("object is not JSON: %w", err)
	}
	after := before
	for _, e := range edits {
		changed, err := set(after, e.At, e.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("edit of %s: %w", e.At, err)
		}
		after = changed
	}
	edited, err := json.Marshal(after)
	return edited, diff(nil, before, after), err
}

// set returns a node like the given one but for the value at the path. What
// lies on the path is copied, the rest is shared.
func set(node any, at Path, value any) (any, error) {
	if len(at) == 0 {
		return value, nil
	}
	step, rest := at[0], at[1:]
	if step.IsIndex {
		list, ok := node.([]any)
		if !ok || step.Index >= len(list) || value == nil {
			return nil, fmt.Errorf("there is no element %d to set", step.Index)
		}
		child, err := set(list[step.Index], rest, value)
		list = slices.Clone(list)
		list[step.Index] = child
		return list, err
	}
	members, ok := node.(map[string]any)
	if !ok && node != nil {
		return nil, fmt.Errorf("%s is not a member of an object", step.Key)
	}
	members = maps.Clone(members)
	if value == nil && (len(rest) == 0 || members[step.Key] == nil) {
		delete(members, step.Key)
		return members, nil
	}
	child, err := set(members[step.Key], rest, value)
	if members == nil {
		members = map[string]any{}
	}
	members[step.Key] = child
	return members, err
}
