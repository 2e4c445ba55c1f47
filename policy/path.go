package policy

import (
	"strconv"
	"strings"
)

// Path leads to a field of an object. Extending a path never changes the
// original.
type Path []Step

// Step is one step of a [Path]: into an object's member, or into the element
// of a list when IsIndex is true.
type Step struct {
	Key     string
	Index   int
	IsIndex bool
}

// At is the path through the given members, from the root of the object.
func At(keys ...string) Path {
	return Path(nil).Key(keys...)
}

// Key extends the path by members.
func (p Path) Key(keys ...string) Path {
	longer := make(Path, len(p), len(p)+len(keys))
	copy(longer, p)
	for _, k := range keys {
		longer = append(longer, Step{Key: k})
	}
	return longer
}

// Index extends the path by the i-th element, counted from 0.
func (p Path) Index(i int) Path {
	longer := make(Path, len(p), len(p)+1)
	copy(longer, p)
	return append(longer, Step{Index: i, IsIndex: true})
}

// String is the form that people read in a denial and that `kubectl explain`
// and field.Path use: spec.rules[0].matches, metadata.labels["istio.io/x"].
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.IsIndex:
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		case !plainKey(s.Key):
			b.WriteString("[" + strconv.Quote(s.Key) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Key)
		}
	}
	return b.String()
}

// plainKey tells whether a key can stand in a path without quotes.
func plainKey(key string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return key != "" && strings.Trim(key, plain) == ""
}

// Pointer is the JSON pointer (RFC 6901) to the field.
func (p Path) Pointer() string {
	var b strings.Builder
	for _, s := range p {
		b.WriteByte('/')
		if s.IsIndex {
			b.WriteString(strconv.Itoa(s.Index))
			continue
		}
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(s.Key))
	}
	return b.String()
}
