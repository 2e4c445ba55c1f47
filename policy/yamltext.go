package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const nullTag = "!!null"

// yamlText is YAML or JSON with what it says, and where it says it. The
// parser tells where a node starts; where it ends is for us to find. What is
// not understood here does no harm: EditYAML reads each result.
type yamlText struct {
	text   []byte
	lines  []int // where each begins
	root   *yaml.Node
	isJSON bool
}

// splice replaces the text from start to end.
type splice struct {
	start, end int
	text       string
}

// place is where a path leads, or the last node on its way that is there.
type place struct {
	node   *yaml.Node
	key    *yaml.Node // of node, when it is a member of a mapping
	parent *yaml.Node
	inFlow bool // below a flow collection
	rest   Path // what is not there
}

// editText makes the edits in the text alone. ok is false when it cannot.
func editText(text []byte, edits []Edit) (edited []byte, ok bool) {
	t, ok := parseText(text)
	if !ok {
		return nil, false
	}
	// Several edits may add to one node.
	type change struct {
		at    place
		value any
	}
	changes := map[*yaml.Node]*change{}
	var order []*change
	for _, e := range edits {
		at := t.find(e.At)
		if e.Value == nil && at.key != nil && len(at.parent.Content) == 2 && len(at.rest) == 0 { // the only member
			at, e.Value = t.find(e.At[:len(e.At)-1]), map[string]any{}
		}
		c := changes[at.node]
		if c == nil {
			c = &change{at: at}
			changes[at.node] = c
			order = append(order, c)
		}
		value, err := set(c.value, at.rest, e.Value)
		if err != nil {
			return nil, false
		}
		c.value = value
	}
	var splices []splice
	for _, c := range order {
		s, ok := t.change(c.at, c.value)
		if !ok {
			return nil, false
		}
		splices = append(splices, s)
	}
	return t.apply(splices)
}

func parseText(text []byte) (*yamlText, bool) {
	var document yaml.Node
	if yaml.Unmarshal(text, &document) != nil || len(document.Content) == 0 {
		return nil, false
	}
	t := &yamlText{text: text, root: document.Content[0], isJSON: json.Valid(text)}
	for at := 0; at < len(text); at = lineEnd(text, at) {
		t.lines = append(t.lines, at)
	}
	return t, true
}

// lineEnd returns where the next line begins.
func lineEnd(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

// apply makes splices that do not overlap.
func (t *yamlText) apply(splices []splice) ([]byte, bool) {
	slices.SortStableFunc(splices, func(a, b splice) int { return cmp.Compare(a.start, b.start) })
	var out []byte
	at := 0
	for _, s := range splices {
		if s.start < at || s.end < s.start {
			return nil, false
		}
		out = append(append(out, t.text[at:s.start]...), s.text...)
		at = s.end
	}
	return append(out, t.text[at:]...), true
}

func (t *yamlText) find(path Path) place {
	at := place{node: t.root, rest: path}
	for len(at.rest) > 0 {
		child := yamlChild(at.node, at.rest[0])
		if child == nil {
			break
		}
		at = place{
			node: child, parent: at.node, rest: at.rest[1:],
			inFlow: at.inFlow || at.node.Style&yaml.FlowStyle != 0,
		}
		if at.parent.Kind == yaml.MappingNode {
			at.key = at.parent.Content[slices.Index(at.parent.Content, child)-1]
		}
	}
	return at
}

// change replaces the node there, or adds to it.
func (t *yamlText) change(at place, value any) (splice, bool) {
	inMapping := at.key != nil && !at.inFlow
	switch {
	case value == nil:
		if at.key == nil || len(at.rest) > 0 {
			return splice{}, false
		}
		return t.removeMember(at)
	case len(at.rest) > 0 && at.node.Kind == yaml.MappingNode:
		members, ok := value.(map[string]any)
		if !ok || len(at.node.Content) == 0 && at.node.Style&yaml.FlowStyle == 0 {
			return splice{}, false
		}
		if at.inFlow || at.node.Style&yaml.FlowStyle != 0 {
			return t.addToFlow(at.node, members)
		}
		return t.addToBlock(at.node, members)
	case len(at.rest) > 0 && at.node.Tag != nullTag:
		return splice{}, false
	}
	if isBlock(at.node) || inMapping && isCollection(value) && at.node.Tag == nullTag {
		return t.replaceBlock(at, value, inMapping)
	}
	start, end, ok := t.extent(at.node)
	s := splice{start, end, t.inline(value, at.node.Style)}
	if start == end { // key: and nothing
		s.text = " " + s.text
	}
	return s, ok
}

// isCollection tells whether the value is a mapping or a list with something in
// it.
func isCollection(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return len(value) > 0
	case []any:
		return len(value) > 0
	}
	return false
}

// isBlock tells whether the node is written on lines of its own.
func isBlock(node *yaml.Node) bool {
	if node.Kind == yaml.MappingNode || node.Kind == yaml.SequenceNode {
		return node.Style&yaml.FlowStyle == 0
	}
	return node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// replaceBlock writes another value after a key. What else is said on the
// value's last line, such as a comment, stays on the key's.
func (t *yamlText) replaceBlock(at place, value any, inMapping bool) (splice, bool) {
	if !inMapping {
		return splice{}, false
	}
	_, start, ok := t.extent(at.key)
	_, end, found := t.extent(at.node)
	if !ok || !found || start >= len(t.text) || t.text[start] != ':' {
		return splice{}, false
	}
	start++
	if !isCollection(value) {
		return splice{start, end, " " + t.inline(value, 0)}, true
	}
	block, err := encodeYAML(value, false)
	if err != nil {
		return splice{}, false
	}
	line := bytes.TrimRight(t.text[end:lineEnd(t.text, end)], "\n")
	text := strings.TrimRight(string(line), " ") + "\n" + indented(string(block), at.key.Column+1)
	return splice{start, end + len(line), text}, true
}

// addToBlock writes members at the end of a block mapping.
func (t *yamlText) addToBlock(mapping *yaml.Node, members map[string]any) (splice, bool) {
	_, end, ok := t.extent(mapping)
	block, err := encodeYAML(members, false)
	if !ok || err != nil {
		return splice{}, false
	}
	text := indented(string(block), mapping.Content[0].Column-1)
	end = lineEnd(t.text, end)
	if t.text[end-1] == '\n' {
		return splice{end, end, text + "\n"}, true
	}
	return splice{end, end, "\n" + text}, true
}

// addToFlow writes members behind the last one of a flow mapping, on lines of
// their own if the brace that closes it stands on one.
func (t *yamlText) addToFlow(mapping *yaml.Node, members map[string]any) (splice, bool) {
	start, end, ok := t.extent(mapping)
	if !ok {
		return splice{}, false
	}
	last, gap, isFirst := start+1, " ", len(mapping.Content) == 0
	if !isFirst {
		key, value := mapping.Content[len(mapping.Content)-2], mapping.Content[len(mapping.Content)-1]
		if _, last, ok = t.extent(value); !ok || last >= end {
			return splice{}, false
		}
		if bytes.IndexByte(t.text[last:end], '\n') >= 0 {
			gap = "\n" + string(leadingSpace(t.text[t.lines[key.Line-1]:]))
		}
	}
	var added []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		added = append(added, t.inline(key, 0)+": "+t.inline(members[key], 0))
	}
	text := strings.Join(added, ","+gap)
	switch comma := last + len(leadingSpace(t.text[last:])); {
	case isFirst && bytes.TrimSpace(t.text[last:end])[0] == '}':
		return splice{last, end - 1, text}, true
	case isFirst: // and there is a comment
		return splice{last, last, text}, true
	case t.text[comma] == ',':
		return splice{comma + 1, comma + 1, gap + text}, true
	}
	return splice{last, last, "," + gap + text}, true
}

func leadingSpace(text []byte) []byte {
	return text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
}

// removeMember cuts a member out of a mapping: its lines if it is alone on
// them, or else the text up to its neighbour.
func (t *yamlText) removeMember(at place) (splice, bool) {
	start, _, ok := t.extent(at.key)
	_, end, found := t.extent(at.node)
	members := at.parent.Content
	if !ok || !found {
		return splice{}, false
	}
	line := t.lines[at.key.Line-1]
	if !at.inFlow && len(bytes.TrimSpace(t.text[line:start])) == 0 {
		return splice{line, lineEnd(t.text, end), ""}, true
	}
	if i := slices.Index(members, at.key); i+2 < len(members) {
		end, _, ok = t.extent(members[i+2])
	} else if i > 0 {
		_, start, ok = t.extent(members[i-1])
	}
	return splice{start, end, ""}, ok && end >= start && !bytes.Contains(t.text[start:end], []byte("#"))
}

// inline is a value in one line, which a flow collection may hold. A string is
// quoted as the one was that it replaces.
func (t *yamlText) inline(value any, style yaml.Style) string {
	text, isText := value.(string)
	switch {
	case t.isJSON || isText && style&yaml.DoubleQuotedStyle != 0:
		return jsonText(value)
	case isText && style&yaml.SingleQuotedStyle != 0:
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	var list yaml.Node
	if list.Encode([]any{value}) != nil {
		return jsonText(value)
	}
	list.Style = yaml.FlowStyle
	encoded, err := encodeYAML(&list, false)
	if err != nil {
		return jsonText(value)
	}
	flow := strings.TrimSpace(string(encoded))
	return flow[1 : len(flow)-1]
}

// indented indents the lines of a text, the last one without its end.
func indented(text string, spaces int) string {
	indent := strings.Repeat(" ", spaces)
	return indent + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+indent)
}

// extent returns where the text of a node starts, after its anchor and tag,
// and where it ends, before any comment.
func (t *yamlText) extent(node *yaml.Node) (start, end int, ok bool) {
	start, ok = t.offset(node)
	if !ok {
		return 0, 0, false
	}
	if isBlock(node) && len(node.Content) > 0 {
		_, end, ok = t.extent(node.Content[len(node.Content)-1])
		return start, end, ok
	}
	for start < len(t.text) && (t.text[start] == '&' || t.text[start] == '!') {
		token := bytes.IndexAny(t.text[start:], " \t\n")
		if token < 0 {
			return 0, 0, false
		}
		start += token
		start += len(leadingSpace(t.text[start:]))
	}
	switch {
	case node.Kind == yaml.AliasNode:
		end = start + len("*"+node.Value)
	case node.Kind != yaml.ScalarNode:
		end = flowEnd(t.text, start)
	case node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		end = quotedEnd(t.text, start)
	case isBlock(node):
		end = blockScalarEnd(t.text, start, node.Value)
	default:
		end = plainEnd(t.text, start, node.Value)
	}
	return start, end, end >= start && end <= len(t.text)
}

// offset is where a node begins.
func (t *yamlText) offset(node *yaml.Node) (int, bool) {
	if node.Line < 1 || node.Line > len(t.lines) {
		return 0, false
	}
	at := t.lines[node.Line-1]
	for range node.Column - 1 { // counted in characters
		_, size := utf8.DecodeRune(t.text[at:])
		at += size
	}
	return at, true
}

// The functions below return where a node ends, -1 if they cannot tell.

// plainEnd finds the words of a plain scalar, which may be on several lines.
func plainEnd(text []byte, start int, value string) int {
	end := start
	for i, word := range strings.Fields(value) {
		if i > 0 {
			end += len(text[end:]) - len(bytes.TrimLeft(text[end:], " \t\n"))
		}
		if !bytes.HasPrefix(text[end:], []byte(word)) {
			return -1
		}
		end += len(word)
	}
	return end
}

func quotedEnd(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch {
		case text[start] == '"' && text[i] == '\\':
			i++
		case text[start] == '\'' && bytes.HasPrefix(text[i:], []byte("''")):
			i++
		case text[i] == text[start]:
			return i + 1
		}
	}
	return -1
}

func flowEnd(text []byte, start int) int {
	depth := 0
	for i := start; i < len(text); i++ {
		first := i == start || bytes.IndexByte([]byte(" \t\n{[,:"), text[i-1]) >= 0
		switch c := text[i]; {
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case first && (c == '"' || c == '\''):
			if i = quotedEnd(text, i) - 1; i < 0 {
				return -1
			}
		case first && c == '#':
			i = lineEnd(text, i) - 1
		}
	}
	return -1
}

// blockScalarEnd returns the end of the last line of a literal or folded
// scalar: of the last that is blank when it keeps its blank lines.
func blockScalarEnd(text []byte, start int, value string) int {
	at := lineEnd(text, start)
	header, _, _ := strings.Cut(string(text[start:at]), "#")
	if strings.TrimSpace(value) == "" || strings.ContainsAny(header, "123456789") {
		return -1
	}
	end, indent := at, -1
	for at < len(text) {
		next := lineEnd(text, at)
		line := text[at:next]
		blank := len(bytes.TrimSpace(line)) == 0
		depth := len(line) - len(bytes.TrimLeft(line, " "))
		if indent < 0 && !blank {
			indent = depth
		}
		if !blank && depth < indent {
			break
		}
		if !blank || strings.Contains(header, "+") {
			end = next
		}
		at = next
	}
	if text[end-1] == '\n' {
		end--
	}
	return end
}
