// Package oracle says what is true of a sliding-window cache, in the plainest
// way there is: it keeps every token ever appended and cuts the window out of
// the list. It shares no code with what it judges and moves nothing in place.
//
// [Encoding] gives every cell a value that names where it comes from, so that
// a wrong cell says what it holds. [History] is the tokens. [Label] and the
// functions on labels are value semantics for in-place programs.
package oracle
