package corpus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// operations is all that a case can do. A new operation is a file with its kind
// and its type, as opcrop.go, and a line here. What it asks of a cache that no
// other does is a method of Cache.
var operations = [...]Operation{
	Append:   appendOp{plain{Append, "append"}},
	Reset:    resetOp{plain{Reset, "reset"}},
	Crop:     cropOp{plain{Crop, "crop"}},
	Snapshot: snapshotOp{numbered{plain{Snapshot, "snapshot"}}},
	Restore:  restoreOp{numbered{plain{Restore, "restore"}}},
	Select:   selectOp{plain{Select, "select"}},
}

// Kinds is the number of kinds of operations.
const Kinds = len(operations)

// OpKind is what an operation of a case does.
type OpKind uint8

func (k OpKind) String() string { return operations[k].Name() }

// Operation is what there is to know of the operations of this kind.
func (k OpKind) Operation() Operation { return operations[k] }

// Operations lists those of each kind.
func Operations() []Operation { return slices.Clone(operations[:]) }

// Op is one operation. N is the tokens of an append, the length of a crop, the
// number of a snapshot.
type Op struct {
	Kind OpKind
	N    int
	// Each is the numbers by batch entry of an append (N is the largest of them) or
	// of a crop (N is 0) that are not alike, and the entries of a select. Nil where
	// one number holds for all.
	Each []int
	// Pad says, for an append, how many leading tokens of each batch entry
	// are left padding, which is alike everywhere. Nil for none.
	Pad []int
	// Batch, Heads, Dim and DType, where not zero, give an append a chunk of
	// another shape than the cache's: one that must be refused.
	Batch, Heads, Dim int
	DType             string
}

// String is the operation as a line of a case file.
func (o Op) String() string {
	x := o.Kind.Operation()
	return x.Name() + x.Args(&o)
}

// Tokens is the number of tokens that the operation hands over.
func (o *Op) Tokens() int { return o.Kind.Operation().Tokens(o) }

// equal reports whether two operations are the same.
func (o *Op) equal(p *Op) bool {
	return o.Kind == p.Kind && o.N == p.N && (o.Each == nil) == (p.Each == nil) && slices.Equal(o.Each, p.Each) && (o.Pad == nil) == (p.Pad == nil) && slices.Equal(o.Pad, p.Pad) &&
		o.Batch == p.Batch && o.Heads == p.Heads && o.Dim == p.Dim && o.DType == p.DType
}

// Operation is what there is to know of one kind of operations: its text, its
// bytes, its effect on what a cache should hold, what it asks of a cache, and how
// it is made smaller. Each method is about one operation o of the kind.
type Operation interface {
	// Name is its word in a case file. Parse reads what follows the word, and Args
	// is that, with a space before it where it is not empty.
	Name() string
	Parse(o *Op, args string) error
	Args(o *Op) string
	// Check reports what has no meaning in a cache of shape s.
	Check(o *Op, s impls.Shape) error

	// Tokens is the number of tokens that it hands over, and Rows the rows that
	// it makes the history hold, in a window of so many rows.
	Tokens(o *Op) int
	Rows(o *Op, window int) int64

	// Decode makes one of the two bytes that an operation has in a fuzz input. ok
	// is false where the first of them stands for another kind: stored inputs keep
	// their meaning, so that the bytes of a kind are never given to another.
	Decode(kind, n int, s impls.Shape) (o Op, ok bool)
	// Choices lists what a drawn case may do of the kind.
	Choices() []Choice

	// Features lists the features that one may give a case, and FeaturesOf those
	// that o does, in a cache of shape s that holds at.
	Features() []Feature
	FeaturesOf(o *Op, s impls.Shape, at State) []Feature
	// Capability is what a cache must be able to do to be asked it, empty for what
	// each can.
	Capability(o *Op) Capability
	// Fit is o, which was drawn for a cache of shape drawn, for one of shape s.
	Fit(o *Op, drawn, s impls.Shape) Op

	// Answer is what a cache under a contract must say to it.
	Answer(o *Op, s impls.Shape, at State, promise oracle.Promise) Answer
	// Ask asks a cache to do it. An error is the cache's, which refused.
	Ask(ctx context.Context, o *Op, cache Cache) error
	// Effect is what it does where a cache has accepted it.
	Effect(o *Op, at State)
	// WrongAnswer says in words what is wrong with an answer that is not Answer's:
	// err is that of Ask, nil where it was accepted.
	WrongAnswer(o *Op, s impls.Shape, at State, err error) string
	// Blamed reports whether a refusal of it is blamed for rows that are wrong
	// afterwards.
	Blamed() bool

	// Merge makes one operation of two neighbours of the kind.
	Merge(a, b *Op) (o Op, ok bool)
	// Simpler gives yield the operations of a case with the one at i made simpler,
	// and what must change along with it, until yield returns false. The simplest
	// comes first; tokens are not taken away.
	Simpler(ops []Op, i int, yield func([]Op) bool)
	// Forms lists the plain operations of the kind that a shrink tries all of, where
	// they hand over so many tokens, or none, in a window of so many rows. A wider
	// window has the forms of a narrower one too.
	Forms(tokens, window int) []Op
}

// Capability is something that not every cache can do.
type Capability string

// The capabilities, by the names that workers have for them; CanCropEach is that of
// a worker which can crop and is ragged.
const (
	CanCrop     Capability = "crop"
	CanCropEach Capability = "crop-each" // crop each entry to its own length
	CanRagged   Capability = "ragged"    // append another number of tokens to each entry
	CanSelect   Capability = "select"
	CanSnapshot Capability = "snapshot"
)

// Capabilities lists them all.
func Capabilities() []Capability {
	return []Capability{CanCrop, CanCropEach, CanRagged, CanSelect, CanSnapshot}
}

// Choice is one way in which a drawn case goes on.
type Choice struct {
	Name string
	// Weight is how often it is chosen, where a decode step has 9.
	Weight float64
	// Needs is what the cache must be able to do.
	Needs Capability
	// After names the choice without which this one does nothing: where that is left
	// out, so is this.
	After string
	// Draw makes one for a cache of shape s that holds at.
	Draw func(r *rand.Rand, s impls.Shape, at State) Op
}

// Cache is what an operation can ask of a cache under test. What a cache cannot do
// it refuses.
type Cache interface {
	// Update hands over the chunk of an operation that has tokens.
	Update(ctx context.Context, o *Op) error
	Reset(ctx context.Context)
	Crop(ctx context.Context, n int) error
	CropEach(ctx context.Context, lengths []int) error
	Select(ctx context.Context, entries []int) error
	Snapshot(ctx context.Context, id int) error
	Restore(ctx context.Context, id int) error
}

// State is what a cache that does what it is asked holds after some operations:
// tokens, or their number alone.
type State interface {
	// Batch is the number of entries, and Len that of the tokens of one.
	Batch() int
	Len(entry int) int
	// Append takes the tokens of an append that were handed over.
	Append(o *Op)
	Reset()
	// Crop keeps the first n tokens of an entry, which there are.
	Crop(entry, n int)
	// Select makes entry i what entry entries[i] was.
	Select(entries []int)
	Snapshot(id int)
	// Taken reports whether there is a snapshot of that number, as Restore needs.
	Taken(id int) bool
	Restore(id int)
}

// Answer is what a cache must say to an operation.
type Answer uint8

// The answers.
const (
	MustAccept Answer = iota
	MayRefuse
	MustRefuse
)

// plain is an operation without arguments that leaves tokens as they are and asks
// a cache nothing. The others embed it and say where they differ.
type plain struct {
	kind OpKind
	name string
}

func (p plain) Name() string { return p.name }

func (p plain) Parse(_ *Op, args string) error {
	if strings.TrimSpace(args) != "" {
		return fmt.Errorf("%s takes nothing", p.name)
	}
	return nil
}

func (plain) Args(*Op) string { return "" }

func (plain) Check(o *Op, _ impls.Shape) error {
	if o.Each != nil || o.Pad != nil || o.Batch != 0 || o.Heads != 0 || o.Dim != 0 || o.DType != "" {
		return fmt.Errorf("numbers by entry, pad and shape belong to append")
	}
	return checkExtent(o)
}

// checkExtent bounds the number of an operation.
func checkExtent(o *Op) error {
	if o.N < 0 || o.N > impls.MaxExtent {
		return fmt.Errorf("%s %d is outside 0..%d", o.Kind, o.N, impls.MaxExtent)
	}
	return nil
}

func (plain) Tokens(*Op) int                          { return 0 }
func (plain) Rows(*Op, int) int64                     { return 0 }
func (plain) Decode(int, int, impls.Shape) (Op, bool) { return Op{}, false }
func (plain) Choices() []Choice                       { return nil }
func (p plain) Features() []Feature                   { return []Feature{Feature(p.name)} }
func (plain) Capability(*Op) Capability               { return "" }
func (plain) Fit(o *Op, _, _ impls.Shape) Op          { return *o }
func (plain) Ask(context.Context, *Op, Cache) error   { return nil }
func (plain) Effect(*Op, State)                       {}
func (plain) Blamed() bool                            { return true }
func (plain) Merge(_, _ *Op) (Op, bool)               { return Op{}, false }
func (plain) Simpler([]Op, int, func([]Op) bool)      {}

func (p plain) FeaturesOf(*Op, impls.Shape, State) []Feature { return []Feature{Feature(p.name)} }

func (plain) Answer(*Op, impls.Shape, State, oracle.Promise) Answer { return MustAccept }

func (p plain) WrongAnswer(_ *Op, _ impls.Shape, _ State, err error) string {
	return fmt.Sprintf("%s is refused: %v", p.name, err)
}

func (p plain) Forms(tokens, _ int) []Op {
	if tokens > 0 {
		return nil
	}
	return []Op{{Kind: p.kind}}
}

// numbered is an operation with one number, for all entries.
type numbered struct{ plain }

func (n numbered) Parse(o *Op, args string) (err error) {
	first, more, _ := strings.Cut(args, " ")
	if o.N, err = number(first); err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	if strings.TrimSpace(more) != "" {
		return fmt.Errorf("%s takes one number", n.name)
	}
	return nil
}

func (numbered) Args(o *Op) string { return fmt.Sprintf(" %d", o.N) }

// list reads numbers with commas between them: one for each entry.
func list(text string) ([]int, error) {
	all := []int{}
	for v := range strings.SplitSeq(text, ",") {
		n, err := number(v)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// listText is the inverse of list.
func listText(all []int) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ",")
}

// checkList bounds a list: an entry is a sequence of its own, and a batch of more
// shows nothing that one of MaxEntries does not.
func checkList(o *Op) error {
	if len(o.Each) < 1 || len(o.Each) > MaxEntries {
		return fmt.Errorf("%s: %d numbers, want 1 to %d", o.Kind, len(o.Each), MaxEntries)
	}
	for _, n := range o.Each {
		if n < 0 || n > impls.MaxExtent {
			return fmt.Errorf("%s: %d is outside 0..%d", o.Kind, n, impls.MaxExtent)
		}
	}
	return nil
}

// MaxEntries is the most entries that an operation lists.
const MaxEntries = 8

// cycled is a list made as long as a batch, from its first numbers on.
func cycled(all []int, batch int) []int {
	if all == nil {
		return nil
	}
	to := make([]int, min(batch, MaxEntries))
	for i := range to {
		to[i] = all[i%len(all)]
	}
	return to
}

// renumber gives yield smaller numbers for an operation and for those of the
// given kinds that have the same one.
func renumber(ops []Op, i int, yield func([]Op) bool, kinds ...OpKind) {
	for _, n := range Less(0, ops[i].N) {
		simpler := slices.Clone(ops)
		for j := range ops {
			if slices.Contains(kinds, ops[j].Kind) && ops[j].N == ops[i].N {
				simpler[j].N = n
			}
		}
		if !yield(simpler) {
			return
		}
	}
}

// Less gives the numbers from lo to below n that a shrinker tries: the least,
// halves, one less.
func Less(lo, n int) []int {
	var all []int
	for at := lo; at < n; at = at + max(1, (n-at)/2) {
		all = append(all, at)
	}
	return all
}

// InForms reports whether the operation is among the forms of its kind in a window
// of so many rows.
func (o *Op) InForms(window int) bool {
	return slices.ContainsFunc(o.Kind.Operation().Forms(o.Tokens(), window), func(p Op) bool { return o.equal(&p) })
}

// lookupKind is the kind of a word.
func lookupKind(word string) (OpKind, bool) {
	for k, x := range operations {
		if x.Name() == word {
			return OpKind(k), true
		}
	}
	return 0, false
}
