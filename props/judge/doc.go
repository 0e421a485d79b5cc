// Package judge walks through the operations of a case, keeps the oracle's state,
// asks a [Subject] for each step and gives the verdict. It is the only interpreter
// of operations: what a cache of this process, a worker and a device do is judged
// by it alike.
package judge
