// Package props runs cases against the oracle and states what must hold.
//
// [Runner] takes a case to its first divergence, [Hunt] draws random cases of
// a target and shrinks what it finds, [TestCache] is a conformance suite for
// anyone's Go cache, and the package's own tests are the gopter properties of
// the built-in ones.
package props
