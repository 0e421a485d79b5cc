// Package hunt looks for failures: it draws cases, runs them on whatever backend
// runs their target, shrinks what diverges, and says whether a case does what it
// expects. It knows no backend by name.
//
// Failures are told apart by corpus.Failure, and wrong rows of a worker's programs also by
// what the programs do: one that does not do all that the smallest case of a finding does
// shows something else. A merge of shards decides so anew; where no shard has shrunk the
// case that it needs, the finding is the case as it was drawn.
package hunt
