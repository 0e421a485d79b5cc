// Package worker speaks the worker protocol: a cache in any language, in a
// process of its own, that answers requests on its standard input with replies
// on its standard output. docs/workers.md describes the protocol.
//
// A [Client] starts a worker and drives its cache; [Serve] is the other side, for
// a cache in Go; a [Message] is a request or a reply. [Hello] is what a worker can
// do, and its limits. Whatever a worker does instead of answering becomes a
// [ProcessError]: the process is ended, and the next case gets a fresh one. If that does not
// start it is a [StartError], and no case is to blame.
package worker
