package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"
)

// EditYAML makes edits in the text of one document, as [SplitDocuments] cuts
// it. Comments, the order of members and every line that needs no change stay;
// JSON stays JSON. Only where the text is too unusual for that (a block scalar
// to be replaced, an anchor that others refer to) is the document written
// anew, still with its comments and its order. What the result reads as is
// always what [Apply] makes of the document.
func EditYAML(document []byte, edits []Edit) ([]byte, error) {
	if len(edits) == 0 {
		return document, nil
	}
	if crlf := bytes.Count(document, []byte("\r\n")); crlf > 0 && crlf == bytes.Count(document, []byte("\n")) {
		edited, err := EditYAML(bytes.ReplaceAll(document, []byte("\r\n"), []byte("\n")), edits)
		return bytes.ReplaceAll(edited, []byte("\n"), []byte("\r\n")), err
	}
	body := bytes.TrimPrefix(document, []byte("\ufeff"))
	if line := firstLine(body); isSeparator(line) {
		body = body[len(line):]
	}
	head := document[:len(document)-len(body)]
	edited, err := editBody(body, edits)
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(head), edited...), nil
}

func firstLine(text []byte) []byte {
	return text[:lineEnd(text, 0)]
}

// editBody tries all edits at once, because reading a large List for each of
// its items takes too long, and where that fails, each half.
func editBody(body []byte, edits []Edit) ([]byte, error) {
	data, err := kyaml.YAMLToJSONStrict(body)
	if err != nil {
		return nil, err
	}
	want, patch, err := Apply(data, edits)
	if err != nil || len(patch) == 0 {
		return body, err
	}
	if edited, ok := editText(body, edits); ok && readsAs(edited, want, json.Valid(body)) {
		return edited, nil
	}
	if half := len(edits) / 2; half > 0 {
		if body, err = editBody(body, edits[:half]); err != nil {
			return nil, err
		}
		return editBody(body, edits[half:])
	}
	return rewrite(body, edits[0], want)
}

// readsAs tells whether the text reads as the JSON says, and is itself JSON if
// it has to be.
func readsAs(text, want []byte, asJSON bool) bool {
	got, err := kyaml.YAMLToJSONStrict(text)
	if err != nil || asJSON && !json.Valid(text) {
		return false
	}
	a, errA := decodeJSON(got)
	b, errB := decodeJSON(want)
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

// rewrite writes the whole text anew, with the edit made.
func rewrite(text []byte, e Edit, want []byte) ([]byte, error) {
	for _, prepare := range []func(*yaml.Node){func(*yaml.Node) {}, expandAliases} {
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			return nil, err
		}
		if len(document.Content) == 0 {
			break
		}
		prepare(&document)
		if err := editNode(document.Content[0], e.At, e.Value); err != nil {
			continue
		}
		edited, err := encodeYAML(&document, hasCompactLists(&document))
		if err == nil && readsAs(edited, want, json.Valid(text)) {
			return edited, nil
		}
	}
	if e.Value == nil {
		return nil, fmt.Errorf("%s: the YAML around it is too unusual to be edited; remove the field by hand", e.At)
	}
	return nil, fmt.Errorf("%s: the YAML around it is too unusual to be edited; write %s by hand", e.At, jsonText(e.Value))
}

// expandAliases puts a copy in the place of each alias.
func expandAliases(node *yaml.Node) {
	for _, child := range node.Content {
		expandAliases(child)
	}
	node.Anchor = ""
	if node.Kind == yaml.AliasNode {
		c := copyNode(node.Alias)
		c.HeadComment, c.LineComment, c.FootComment = node.HeadComment, node.LineComment, node.FootComment
		*node = *c
	}
}

// copyNode copies a node without its anchors and comments.
func copyNode(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return copyNode(node.Alias)
	}
	c := &yaml.Node{Kind: node.Kind, Style: node.Style, Tag: node.Tag, Value: node.Value}
	for _, child := range node.Content {
		c.Content = append(c.Content, copyNode(child))
	}
	return c
}

// hasCompactLists tells whether there is a list with the same indentation as
// its key.
func hasCompactLists(node *yaml.Node) bool {
	for i, child := range node.Content {
		compact := node.Kind == yaml.MappingNode && i%2 == 1 && child.Kind == yaml.SequenceNode && child.Style&yaml.FlowStyle == 0 && child.Column == node.Content[i-1].Column
		if compact || hasCompactLists(child) {
			return true
		}
	}
	return false
}

func encodeYAML(value any, compactLists bool) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if compactLists {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// editNode makes the edit in the parsed document.
func editNode(node *yaml.Node, at Path, value any) error {
	if len(at) == 0 {
		return fmt.Errorf("only fields can be set")
	}
	for i, step := range at[:len(at)-1] {
		child := yamlChild(node, step)
		if child == nil || child.Tag == nullTag {
			return putMember(node, step, nest(at[i+1:], value))
		}
		node = child
	}
	return putMember(node, at[len(at)-1], value)
}

func putMember(node *yaml.Node, step Step, value any) error {
	var key, encoded yaml.Node
	if err := errors.Join(key.Encode(step.Key), encoded.Encode(value)); err != nil {
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
	node.Content = append(node.Content, &key, &encoded)
	return nil
}

// nest wraps the value in the objects that the path leads through.
func nest(path Path, value any) any {
	for i := len(path) - 1; i >= 0; i-- {
		value = map[string]any{path[i].Key: value}
	}
	return value
}

// jsonText is the value as JSON in one line. JSON's strings are YAML's too.
func jsonText(value any) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return ""
	}
	return strings.TrimSuffix(out.String(), "\n")
}
