// Package policy decides what may pass on the egress path of a service mesh.
//
// It is pure: values in, values out, no I/O. A [Rule] is a value; a repair is
// part of the [Finding] that asks for it; everything a rule may know beyond
// the object under review comes from a [World], which is complete: what it
// does not hold does not exist.
//
// [Review] judges an object as it is. [Settle] repairs what has one obvious
// repair and reports the rest. The webhook, the command line and the audit all
// call these two.
package policy
