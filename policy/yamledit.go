package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"
)

// EditYAML makes edits in the text of one YAML document, below the given
// item. Comments, the order of members and every line that needs no change
// stay. Where the text is too unusual for that (flow style, anchors), the
// document is written anew, still with its comments and its order.
func EditYAML(document []byte, item Path, edits []Edit) ([]byte, error) {
	for _, e := range edits {
		e.At = append(item.Key(), e.At...)
		edited, err := editYAML(document, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.At, err)
		}
		document = edited
	}
	return document, nil
}

func editYAML(document []byte, e Edit) ([]byte, error) {
	data, err := kyaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	want, _, err := Apply(data, []Edit{e})
	if err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	if len(root.Content) == 0 {
		return nil, fmt.Errorf("the document is empty")
	}
	if edited, ok := editText(document, root.Content[0], e); ok && sameYAML(edited, want) {
		return edited, nil
	}
	if err := editNode(root.Content[0], e.At, e.Value); err != nil {
		return nil, err
	}
	edited, err := encodeYAML(&root)
	if err != nil {
		return nil, err
	}
	if !sameYAML(edited, want) {
		return nil, fmt.Errorf("the YAML around this field is too unusual to be edited")
	}
	if isSeparator(firstLine(document)) {
		edited = append(bytes.Clone(firstLine(document)), edited...)
	}
	return edited, nil
}

// sameYAML tells whether the document reads as the JSON says.
func sameYAML(document, want []byte) bool {
	got, err := kyaml.YAMLToJSONStrict(document)
	if err != nil {
		return false
	}
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal(want, &b) != nil {
		return false
	}
	return reflect.DeepEqual(a, b)
}

func firstLine(text []byte) []byte {
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		return text[:end+1]
	}
	return text
}

// editText makes the edit in the text alone. ok is false when it cannot.
func editText(document []byte, root *yaml.Node, e Edit) (edited []byte, ok bool) {
	node, depth := root, 0
	for depth < len(e.At) {
		child := yamlChild(node, e.At[depth])
		if child == nil {
			break
		}
		node, depth = child, depth+1
	}
	lines := bytes.SplitAfter(document, []byte("\n"))
	if depth == len(e.At) {
		value, isText := e.Value.(string)
		if !isText || node.Kind != yaml.ScalarNode {
			return nil, false
		}
		return replaceScalar(lines, node, value)
	}
	if e.Value == nil || node.Kind != yaml.MappingNode || node.Style&yaml.FlowStyle != 0 || len(node.Content) == 0 {
		return nil, false
	}
	addition, err := encodeYAML(nest(e.At[depth:], e.Value))
	if err != nil {
		return nil, false
	}
	return insertMembers(lines, node, addition), true
}

func replaceScalar(lines [][]byte, node *yaml.Node, value string) ([]byte, bool) {
	written := node.Value
	switch node.Style {
	case 0:
	case yaml.DoubleQuotedStyle:
		written = `"` + node.Value + `"`
	case yaml.SingleQuotedStyle:
		written = `'` + node.Value + `'`
	default:
		return nil, false
	}
	encoded, err := yaml.Marshal(value)
	line := lines[node.Line-1]
	if err != nil || written == "" || node.Column > len(line) || !bytes.HasPrefix(line[node.Column-1:], []byte(written)) {
		return nil, false
	}
	head, tail := line[:node.Column-1], line[node.Column-1+len(written):]
	lines[node.Line-1] = bytes.Join([][]byte{head, bytes.TrimSpace(encoded), tail}, nil)
	return bytes.Join(lines, nil), true
}

// insertMembers writes members at the end of a block mapping.
func insertMembers(lines [][]byte, mapping *yaml.Node, members []byte) []byte {
	first, last := mapping.Content[0], mapping.Content[len(mapping.Content)-2]
	indent := strings.Repeat(" ", first.Column-1)
	end := last.Line // the line after that of the last key, counted from 0
	for i := end; i < len(lines) && belongsTo(lines[i], len(indent)); i++ {
		if text := bytes.TrimSpace(lines[i]); len(text) > 0 && text[0] != '#' {
			end = i + 1
		}
	}
	var inserted []byte
	for _, line := range bytes.SplitAfter(bytes.TrimSpace(members), []byte("\n")) {
		inserted = append(append(inserted, indent...), line...)
	}
	inserted = append(inserted, '\n')
	if before := lines[end-1]; !bytes.HasSuffix(before, []byte("\n")) {
		lines[end-1] = append(bytes.Clone(before), '\n')
	}
	return bytes.Join([][]byte{bytes.Join(lines[:end], nil), inserted, bytes.Join(lines[end:], nil)}, nil)
}

// belongsTo tells whether a line may still be part of the value of a key that
// is indented this much: deeper lines are, and lists of the same indentation.
func belongsTo(line []byte, indent int) bool {
	text := bytes.TrimLeft(line, " ")
	if len(bytes.TrimSpace(text)) == 0 || text[0] == '#' {
		return true
	}
	depth := len(line) - len(text)
	return depth > indent || depth == indent && bytes.HasPrefix(text, []byte("- "))
}

// editNode makes the edit in the parsed document.
func editNode(node *yaml.Node, at Path, value any) error {
	for i, step := range at[:len(at)-1] {
		child := yamlChild(node, step)
		if child == nil || child.Tag == "!!null" {
			if value == nil {
				return nil
			}
			return putMember(node, step, nest(at[i+1:], value))
		}
		node = child
	}
	return putMember(node, at[len(at)-1], value)
}

func putMember(node *yaml.Node, step Step, value any) error {
	var encoded yaml.Node
	if err := encoded.Encode(value); err != nil {
		return err
	}
	if child := yamlChild(node, step); child != nil && value != nil {
		encoded.HeadComment, encoded.LineComment, encoded.FootComment = child.HeadComment, child.LineComment, child.FootComment
		*child = encoded
		return nil
	}
	if step.IsIndex || node.Kind != yaml.MappingNode {
		return fmt.Errorf("%s cannot be set", Path{step})
	}
	for i := 0; i < len(node.Content); i += 2 {
		if node.Content[i].Value == step.Key {
			node.Content = append(node.Content[:i], node.Content[i+2:]...)
			return nil
		}
	}
	if value != nil {
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: step.Key}, &encoded)
	}
	return nil
}

func encodeYAML(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// nest wraps the value in the objects that the path leads through.
func nest(path Path, value any) any {
	for i := len(path) - 1; i >= 0; i-- {
		value = map[string]any{path[i].Key: value}
	}
	return value
}
