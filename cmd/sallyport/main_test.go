package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sallyport":         main,
		"kubectl-sallyport": main,
	})
}

// TestScripts runs the command line as a user does. The scripts see a copy of
// deploy/.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each command takes a second
			return os.CopyFS(filepath.Join(env.WorkDir, "deploy"), os.DirFS("../../deploy"))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     exits,
			"mode":      mode,
			"documents": documents,
			"untouched": untouched,
			"crlf":      crlf,
		},
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
	})
}

// exits CODE COMMAND... fails unless the command exits with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		status := (*exec.ExitError)(nil)
		if !errors.As(err, &status) {
			ts.Fatalf("%v", err)
		}
		code = status.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code is %d, want %s", code, args[0])
	}
}

// mode PERMISSIONS FILE fails unless the file has them.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Lstat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] || info.Mode().Type() != 0 {
		ts.Fatalf("mode of %s is %v", args[1], info.Mode())
	}
}

// documents N FILE fails unless the file, or stdout, is YAML of so many
// documents that are not empty.
func documents(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	for text := range strings.SplitSeq("\n"+ts.ReadFile(args[1]), "\n---") {
		var object map[string]any
		if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
			ts.Fatalf("%v in %s", err, text)
		}
		if object != nil {
			n++
		}
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("%s has %d documents, want %s", args[1], n, args[0])
	}
}

// untouched FILE fails when the file was written since the first time that the
// script asked.
func untouched(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Lstat(ts.MkAbs(args[0]))
	ts.Check(err)
	key := "INFO_" + args[0]
	now := info.ModTime().String()
	if before := ts.Getenv(key); before != "" && before != now {
		ts.Fatalf("%s was written", args[0])
	}
	ts.Setenv(key, now)
}

// crlf FILE fails unless every line ends as on Windows.
func crlf(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, "\n"); n == 0 || n != strings.Count(text, "\r\n") {
		ts.Fatalf("%s has other line ends: %q", args[0], text)
	}
}
