package policy

import "testing"

func TestPathForms(t *testing.T) {
	for _, c := range []struct {
		path            Path
		text, jsonPoint string
	}{
		{nil, "", ""},
		{At("spec"), "spec", "/spec"},
		{At("spec", "rules").Index(0).Key("matches").Index(10), "spec.rules[0].matches[10]", "/spec/rules/0/matches/10"},
		{At("metadata", "labels").Key("istio.io/use-waypoint"), `metadata.labels["istio.io/use-waypoint"]`, "/metadata/labels/istio.io~1use-waypoint"},
		{At("metadata", "labels").Key("app").Key("x"), "metadata.labels.app.x", "/metadata/labels/app/x"},
		{At("a~b", "a~1b", "a/b~"), `["a~b"]["a~1b"]["a/b~"]`, "/a~0b/a~01b/a~1b~0"},
		{Path(nil).Index(2).Key("x"), "[2].x", "/2/x"},
		{At("", "a b", `a"b`, "a[b]", "a\nb"), `[""]["a b"]["a\"b"]["a[b]"]["a\nb"]`, "//a b/a\"b/a[b]/a\nb"},
		{At("snake_case", "kebab-case", "v1"), "snake_case.kebab-case.v1", "/snake_case/kebab-case/v1"},
	} {
		if got := c.path.String(); got != c.text {
			t.Errorf("String = %s, want %s", got, c.text)
		}
		if got := c.path.Pointer(); got != c.jsonPoint {
			t.Errorf("Pointer = %s, want %s", got, c.jsonPoint)
		}
	}
}

// TestPathIsNotShared: two paths that extend one do not get in each other's
// way, as they would if they shared its memory.
func TestPathIsNotShared(t *testing.T) {
	base := At("a").Key("b").Index(0)
	first, second := base.Key("x"), base.Key("y")
	third, fourth := base.Index(1), base.Index(2)
	for want, got := range map[string]Path{
		"a.b[0]": base, "a.b[0].x": first, "a.b[0].y": second, "a.b[0][1]": third, "a.b[0][2]": fourth,
	} {
		if got.String() != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
