// Package props is what tests import: it runs cases against the oracle and states
// what must hold.
//
// [TestCache] is a conformance suite for anyone's Go cache; its options, from
// [Chunks] to [Slack], say what the cache promises. [ReplayCache] holds it to one case,
// and [FuzzCache] is for go test -fuzz. [Replay] holds a test to a case of a built-in
// target. [Cases], [Programs], [ForAll] and [Parameters] are for gopter
// properties, as the package's own tests of the built-in targets are. Cases are
// run by package run, judged by package judge, and drawn and shrunk in hunts by
// package hunt.
package props
