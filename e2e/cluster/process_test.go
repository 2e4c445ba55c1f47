package cluster_test

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"sallyport.dev/e2e/cluster"
)

func TestProcessStop(t *testing.T) {
	for _, test := range []struct {
		name, script string
		timeout      time.Duration
		want         cluster.Exit
	}{
		{"obeys", `trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done`, time.Minute, cluster.Exit{Code: 7}},
		{"does not handle it", `echo up; exec sleep 60`, time.Minute, cluster.Exit{Code: -1}},
		{"disobeys", `trap '' TERM; echo up; while :; do sleep 0.01; done`, 200 * time.Millisecond, cluster.Exit{Code: -1, Killed: true}},
		{"is not asked", `trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done`, 0, cluster.Exit{Code: -1, Killed: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := startScript(t, test.script)
			for range 2 { // the second call only repeats the answer
				got, err := p.Stop(test.timeout)
				if err != nil {
					t.Fatal(err)
				}
				if got != test.want {
					t.Errorf("want %+v, got %+v", test.want, got)
				}
			}
			if alive(p.PID) {
				t.Errorf("process %d is alive", p.PID)
			}
		})
	}
}

func TestProcessEndsByItself(t *testing.T) {
	p := startScript(t, "echo up; exit 3")
	<-p.Done()
	got, err := p.Stop(time.Minute)
	if want := (cluster.Exit{Code: 3}); err != nil || got != want {
		t.Errorf("want %+v, got %+v, %v", want, got, err)
	}
}

func TestProcessEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := cluster.StartProcess(ctx, "sleep", []string{"60"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-p.Done()
}

func TestProcessThatCannotStart(t *testing.T) {
	if _, err := cluster.StartProcess(t.Context(), "/no/such/program", nil, io.Discard); err == nil {
		t.Error("want an error")
	}
}

// startScript returns when the script has said "up".
func startScript(t *testing.T, script string) *cluster.Process {
	t.Helper()
	reader, writer := io.Pipe()
	p, err := cluster.StartProcess(t.Context(), "sh", []string{"-c", script}, writer)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "up" {
		t.Fatalf("want up, got %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	return p
}
