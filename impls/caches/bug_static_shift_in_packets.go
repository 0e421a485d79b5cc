package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var staticShiftInPackets = bug{
	id: "A13", name: "static-shift-in-packets", base: "static",
	reference: "tenstorrent/tt-metal#50726",
	mechanism: "a chunked self-copy without a check for overlap: a packet is overwritten before it is read",
	make:      planted(NewStatic, func(c *Static) impls.Cache { c.shift = shiftInPackets; return c }),
}

// packetBytes is the size of a packet: few, so that small windows have several.
const packetBytes = 16

// shiftInPackets copies the rows of each lane packet by packet, the last one first. A
// packet by itself may overlap.
func shiftInPackets(x *impls.Tensor) {
	for lane := range x.Lanes() {
		var rows []byte
		for r := range x.Rows {
			rows = append(rows, x.Row(lane, r)...)
		}
		size := x.RowBytes()
		for at := (len(rows) - size - 1) / packetBytes * packetBytes; at >= 0; at -= packetBytes {
			end := min(at+packetBytes, len(rows)-size)
			copy(rows[at:end], rows[at+size:end+size])
		}
		for r := range x.Rows {
			copy(x.Row(lane, r), rows[r*size:])
		}
	}
}
