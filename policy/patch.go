package policy

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// PatchOp is one operation of a JSON patch (RFC 6902).
type PatchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// MarshalJSON leaves the value out of a removal only: an empty value is one.
func (op PatchOp) MarshalJSON() ([]byte, error) {
	if op.Op == "remove" {
		return json.Marshal(map[string]string{"op": op.Op, "path": op.Path})
	}
	type plain struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	return json.Marshal(plain(op))
}

// diff returns the patch from one JSON value to another. It reaches as deep as
// it can, so that a patch touches no neighbour: a label is added without
// replacing the map it goes into. A list of another length is replaced.
func diff(at Path, before, after any) []PatchOp {
	if oldMembers, ok := before.(map[string]any); ok {
		if newMembers, ok := after.(map[string]any); ok {
			return diffMembers(at, oldMembers, newMembers)
		}
	}
	oldList, wasList := before.([]any)
	newList, isList := after.([]any)
	if wasList && isList && len(oldList) == len(newList) {
		var ops []PatchOp
		for i := range newList {
			ops = append(ops, diff(at.Index(i), oldList[i], newList[i])...)
		}
		return ops
	}
	if reflect.DeepEqual(before, after) {
		return nil
	}
	return []PatchOp{{Op: "replace", Path: at.Pointer(), Value: after}}
}

func diffMembers(at Path, before, after map[string]any) []PatchOp {
	var ops []PatchOp
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, kept := after[key]; !kept {
			ops = append(ops, PatchOp{Op: "remove", Path: at.Key(key).Pointer()})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		old, had := before[key]
		if !had {
			ops = append(ops, PatchOp{Op: "add", Path: at.Key(key).Pointer(), Value: after[key]})
			continue
		}
		ops = append(ops, diff(at.Key(key), old, after[key])...)
	}
	return ops
}
