// Command sallyport guards the way out of a service mesh. Run it without
// arguments for its subcommands.
package main

import (
	"errors"
	"fmt"
	"os"
)

// Exit codes of `sallyport check` and the others.
const (
	exitDenied = 1 // something is denied
	exitUsage  = 2 // wrong usage, or input that cannot be read
)

// errDenied ends a command whose output already says what is denied.
var errDenied = errors.New("denied")

func main() {
	err := newRoot().Execute()
	switch {
	case err == nil:
	case errors.Is(err, errDenied):
		os.Exit(exitDenied)
	default:
		fmt.Fprintln(os.Stderr, "sallyport:", err)
		os.Exit(exitUsage)
	}
}
