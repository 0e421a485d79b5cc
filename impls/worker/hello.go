package worker

import (
	"fmt"
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
