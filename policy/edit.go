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
	before, err := decodeJSON(object)
	if err != nil {
		return nil, nil, fmt.Errorf("object is not JSON: %w", err)
	}
	after := before
	for _, e := range edits {
		value, err := decoded(e.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("edit of %s: %w", e.At, err)
		}
		if after, err = set(after, e.At, value); err != nil {
			return nil, nil, fmt.Errorf("edit of %s: %w", e.At, err)
		}
	}
	edited, err := json.Marshal(after)
	return edited, diff(nil, before, after), err
}

// decodeJSON keeps numbers as they are written, so that 64-bit integers
// survive.
func decodeJSON(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

// decoded returns the value as decodeJSON would, so that it compares with what
// is there.
func decoded(value any) (any, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return decodeJSON(data)
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
		if !ok || step.Index >= len(list) {
			return nil, fmt.Errorf("there is no element %d to set", step.Index)
		}
		if value == nil && len(rest) == 0 {
			return nil, fmt.Errorf("element %d cannot be removed: the others would change their places", step.Index)
		}
		child, err := set(list[step.Index], rest, value)
		list = slices.Clone(list)
		list[step.Index] = child
		return list, err
	}
	if node == nil && value == nil {
		return nil, nil // what is not there need not be removed
	}
	members, ok := node.(map[string]any)
	if !ok && node != nil {
		return nil, fmt.Errorf("%s is not a member of an object", step.Key)
	}
	if value == nil && members[step.Key] == nil && len(rest) > 0 {
		return node, nil
	}
	members = maps.Clone(members)
	if value == nil && len(rest) == 0 {
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
