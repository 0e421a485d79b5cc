package worker

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/printable"
)

// Hello is what a worker says of itself.
type Hello struct {
	Name, Version string
	// Contract is "single" or "chunks", "" of an engine.
	Contract string
	DTypes   []impls.DType
	Device   string
	// Crop, Ragged, Select and Snapshot are the capabilities: Client.Crop,
	// UpdateEach, Select, Snapshot with Restore. CropEach takes Crop and Ragged.
	Crop, Ragged, Select, Snapshot bool
	// Order is a capability too: blocks run in the order that comes with an update.
	// See Client.Order.
	Order bool
	// Programs is a capability beside the caches: see Client.RunPrograms. What
	// follows says how such a worker wants its programs.
	Programs bool
	// ProgramsAtOnce is how many programs one request is to have at most, 0 where the
	// worker does not say: many for a compiler that makes one graph of them, one for a
	// compiler that takes as long for each.
	ProgramsAtOnce int
	// Variants are the ways in which the worker runs programs, by name: those of a hunt
	// take turns. The first is what it does where it is not told.
	Variants []string
	// Grammar is that of the programs it takes: 1, or 2 for the wider one, buffer lines
	// and ir.N. 0 is 1.
	Grammar int
	// Runs is how often it is to call what it compiled, each time with other inputs. 0
	// is once.
	Runs int
	// Script is a capability too: see Client.Reproducer. Serve does not have it.
	Script bool
	// Model is what a worker can do that has an engine instead of a cache, nil for
	// others: see Client.Load.
	Model *ModelHello
	// Sinks is how many of the first tokens every query sees besides its
	// window.
	Sinks int

	// What follows are limits that a maintainer chose. What lies outside them
	// must be refused.

	// MaxChunk is the most tokens of one update.
	MaxChunk ChunkLimit
	// Without are the kinds of chunk that are left out: "empty", "exact",
	// "crossing", "long"; and "window-1", caches of such a window.
	Without []string
	// Dims are the head dims, nil for any.
	Dims *Dims
	// Batches are the batch sizes, nil for any.
	Batches []int
	// Slack is how many rows an update may return beyond those that its queries
	// can see, nil for a window of them.
	Slack *int
}

// ChunkLimit is the most tokens that one update takes. Its zero value is no
// limit.
type ChunkLimit struct {
	// Window is whether the window's rows are added to N, which is then 0 or 1.
	Window bool
	N      int
}

// Rows is the limit for a window of so many rows, math.MaxInt for none.
func (l ChunkLimit) Rows(window int) int {
	switch {
	case l.Window:
		return window + l.N
	case l.N > 0:
		return l.N
	}
	return math.MaxInt
}

// String is the limit as hello has it, "" for none.
func (l ChunkLimit) String() string {
	switch {
	case l.Window && l.N == 0:
		return "W"
	case l.Window:
		return "W+" + strconv.Itoa(l.N)
	case l.N > 0:
		return strconv.Itoa(l.N)
	}
	return ""
}

func parseChunkLimit(text string) (ChunkLimit, error) {
	switch text {
	case "W":
		return ChunkLimit{Window: true}, nil
	case "W+1":
		return ChunkLimit{Window: true, N: 1}, nil
	}
	n, err := parseCount(text, 1)
	if err != nil {
		return ChunkLimit{}, fmt.Errorf("%q: want rows from 1 to %d, W or W+1", text, impls.MaxExtent)
	}
	return ChunkLimit{N: n}, nil
}

// Dims are the head dims that a cache takes: those of a list, or all multiples of a
// number. Nil are all.
type Dims struct {
	List     []int
	Multiple int // where List is empty
}

// Has reports whether a dim is one of them.
func (d *Dims) Has(dim int) bool {
	switch {
	case d == nil:
		return true
	case len(d.List) > 0:
		return slices.Contains(d.List, dim)
	}
	return dim > 0 && dim%max(1, d.Multiple) == 0
}

// Nearest is the one that is nearest to a dim, of two the smaller.
func (d *Dims) Nearest(dim int) int {
	if d.Has(dim) {
		return dim
	}
	if len(d.List) > 0 {
		return nearest(d.List, dim)
	}
	m := max(1, d.Multiple)
	below := dim / m * m
	if below >= m && dim-below <= below+m-dim || below+m > impls.MaxExtent {
		return below
	}
	return max(below, 0) + m
}

// String is what hello has.
func (d *Dims) String() string {
	switch {
	case d == nil:
		return ""
	case len(d.List) > 0:
		return formatList(d.List)
	}
	return strconv.Itoa(max(1, d.Multiple)) + "*"
}

func parseDims(text string) (*Dims, error) {
	if of, ok := strings.CutSuffix(text, "*"); ok {
		n, err := parseCount(of, 1)
		if err != nil {
			return nil, fmt.Errorf("%q: want multiples of a number from 1 to %d, as in 8*", text, impls.MaxExtent)
		}
		return &Dims{Multiple: n}, nil
	}
	list, err := parseSizes(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w, as in 64,128 or 8*", text, err)
	}
	return &Dims{List: list}, nil
}

// NearestBatch is the batch size that is nearest to one, of those that the worker
// takes; of two the smaller.
func (h *Hello) NearestBatch(batch int) int {
	if len(h.Batches) == 0 {
		return batch
	}
	return nearest(h.Batches, batch)
}

// nearest is the number of a list that is nearest to one, of two the smaller.
func nearest(list []int, to int) int {
	best := list[0]
	for _, n := range list[1:] {
		was, is := max(best-to, to-best), max(n-to, to-n)
		if is < was || is == was && n < best {
			best = n
		}
	}
	return best
}

// Offers reports whether the worker has a capability, by its word in the protocol;
// empty is what every worker can. "crop-each", no word of the protocol, is a crop
// by entry, for which a worker has the words crop and ragged.
func (h *Hello) Offers(capability string) bool {
	switch capability {
	case "":
		return true
	case "crop":
		return h.Crop
	case "ragged":
		return h.Ragged
	case "crop-each":
		return h.Crop && h.Ragged
	case "select":
		return h.Select
	case "snapshot":
		return h.Snapshot
	case "programs":
		return h.Programs
	case "script":
		return h.Script
	case "order":
		return h.Order
	}
	return false
}

// kindsWithout are what hello may leave out.
var kindsWithout = []string{"empty", "exact", "crossing", "long", "window-1"}

func parseHello(meta map[string]string) (*Hello, error) {
	h := &Hello{Name: printable.Line(meta["name"]), Version: printable.Line(meta["version"]), Contract: meta["contract"], Device: printable.Line(meta["device"])}
	isModel := slices.Contains(strings.Split(meta["capabilities"], ","), "model")
	for _, key := range []string{"name", "version", "contract", "dtypes", "device"} {
		if meta[key] == "" && !(isModel && key == "contract") {
			return nil, fmt.Errorf("the reply lacks %s", key)
		}
	}
	if !isModel && h.Contract != "single" && h.Contract != "chunks" {
		return nil, fmt.Errorf("contract %q: want single or chunks", h.Contract)
	}
	for name := range strings.SplitSeq(meta["dtypes"], ",") {
		d, err := impls.ParseDType(strings.TrimSpace(name))
		if err != nil {
			return nil, fmt.Errorf("dtypes: %w", err)
		}
		h.DTypes = append(h.DTypes, d)
	}
	if isModel {
		var err error
		h.Model, err = parseModelHello(meta)
		return h, err
	}
	if text := meta["capabilities"]; text != "" {
		for name := range strings.SplitSeq(text, ",") {
			switch strings.TrimSpace(name) {
			case "crop":
				h.Crop = true
			case "ragged":
				h.Ragged = true
			case "select":
				h.Select = true
			case "snapshot":
				h.Snapshot = true
			case "programs":
				h.Programs = true
			case "script":
				h.Script = true
			case "order":
				h.Order = true
			default:
				return nil, fmt.Errorf("capability %q: want crop, ragged, select, snapshot, programs, script, order or model", name)
			}
		}
	}
	if text := meta["sinks"]; text != "" {
		n, err := parseCount(text, 0)
		if err != nil {
			return nil, fmt.Errorf("sinks %q: want a number", text)
		}
		h.Sinks = n
	}
	if err := h.parsePrograms(meta); err != nil {
		return nil, err
	}
	return h, h.parseLimits(meta)
}

// parseLimits reads the limits. A key that is there with nothing in it is an
// error: its author meant something.
func (h *Hello) parseLimits(meta map[string]string) (err error) {
	if text, ok := meta["max_chunk"]; ok {
		if h.MaxChunk, err = parseChunkLimit(text); err != nil {
			return fmt.Errorf("max_chunk %w", err)
		}
	}
	if text, ok := meta["without"]; ok {
		for name := range strings.SplitSeq(text, ",") {
			name = strings.TrimSpace(name)
			if !slices.Contains(kindsWithout, name) {
				return fmt.Errorf("without %q: want some of %s", name, strings.Join(kindsWithout, ","))
			}
			if slices.Contains(h.Without, name) {
				return fmt.Errorf("without %q: %s comes twice; leave one out", text, name)
			}
			h.Without = append(h.Without, name)
		}
	}
	if text, ok := meta["dims"]; ok {
		if h.Dims, err = parseDims(text); err != nil {
			return fmt.Errorf("dims %w", err)
		}
	}
	if text, ok := meta["batches"]; ok {
		if h.Batches, err = parseSizes(text); err != nil {
			return fmt.Errorf("batches %q: %w, as in 1,2,4", text, err)
		}
	}
	if text, ok := meta["slack"]; ok {
		n, err := parseCount(text, 0)
		if err != nil {
			return fmt.Errorf("slack %q: want rows from 0 to %d", text, impls.MaxExtent)
		}
		h.Slack = &n
	}
	return nil
}

// message is the reply to hello, of what this package serves.
func (h *Hello) message() *Message {
	names := make([]string, len(h.DTypes))
	for i, d := range h.DTypes {
		names[i] = d.String()
	}
	meta := map[string]string{"name": h.Name, "version": h.Version, "contract": h.Contract, "dtypes": strings.Join(names, ","), "device": h.Device}
	if h.Model != nil {
		for key, text := range h.Model.metadata() {
			meta[key] = text
		}
		delete(meta, "contract")
		return &Message{Meta: meta}
	}
	var can []string
	for _, c := range []string{"crop", "ragged", "select", "snapshot", "programs", "order"} {
		if h.Offers(c) {
			can = append(can, c)
		}
	}
	optional := map[string]string{
		"capabilities": strings.Join(can, ","), "max_chunk": h.MaxChunk.String(), "without": strings.Join(h.Without, ","),
		"dims": h.Dims.String(), "batches": formatList(h.Batches), "variants": strings.Join(h.Variants, ","),
		"programs_at_once": above(h.ProgramsAtOnce, 0), "grammar": above(h.Grammar, 1), "runs": above(h.Runs, 1),
	}
	if h.Sinks > 0 {
		optional["sinks"] = strconv.Itoa(h.Sinks)
	}
	if h.Slack != nil {
		optional["slack"] = strconv.Itoa(*h.Slack)
	}
	for key, text := range optional {
		if text != "" {
			meta[key] = text
		}
	}
	return &Message{Meta: meta}
}

// errNumber is a text that is no number within bounds.
var errNumber = errors.New("want numbers, comma-separated")

// parseCount is a number from least to impls.MaxExtent, as people write it: no
// sign.
func parseCount(text string, least int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > impls.MaxExtent || text[0] == '+' || text[0] == '-' {
		return 0, errNumber
	}
	return n, nil
}

// parseSizes is a list of numbers from 1 on, each once.
func parseSizes(text string) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := parseCount(strings.TrimSpace(part), 1)
		if err != nil {
			return nil, fmt.Errorf("want numbers from 1 to %d, comma-separated", impls.MaxExtent)
		}
		if slices.Contains(all, n) {
			return nil, fmt.Errorf("%d comes twice; want each number once", n)
		}
		all = append(all, n)
	}
	return all, nil
}

// parseList is the numbers of a request, whatever they are: what is wrong with
// them is for the cache to say.
func parseList(text string) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, errNumber
		}
		all = append(all, n)
	}
	return all, nil
}

// formatList is the inverse.
func formatList(list []int) string {
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ",")
}
