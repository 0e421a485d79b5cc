package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

var hazardsCommand = command{
	name:  "hazards",
	args:  "FILE",
	about: "which blocks of your own kernel must not change places",
	long: `
Reads the map of a kernel, which element of which storage each of its cells reads
and writes, and prints the pairs of blocks whose order decides the result, with the
first element that both touch and a block that shows it when it runs first. A block
does all its loads, then all its stores. Exits with 1 if there is a pair.

  slidefuzz kernel v1
  storage x 64            # a name, and how many elements it has
  storage new 16
  block 16                # cells a block
  x[0:48] = x[16:64]      # cells 0 to 47: each reads one element and writes one
  x[48:64] = new[0:16]    # cells 48 to 63

A line "repeat 8 x 64 new 16" runs the lines after it, up to the next repeat, 8
times, x 64 elements further each time and new 16; "repeat 1" ends it.`,
	flags: func(*flag.FlagSet) action {
		return func(ctx context.Context, e *env, args []string) (int, error) {
			if len(args) != 1 {
				return 0, fmt.Errorf("want one file, got %d", len(args))
			}
			text, err := e.read(ctx, args[0])
			if err != nil {
				return 0, err
			}
			m, err := inplace.ParseMap(args[0], string(text))
			if err != nil {
				return 0, err
			}
			k := m.Kernel
			all := k.Collisions()
			fmt.Fprintf(e.out, "%s in %s of %d\n", corpus.Plural(k.Cells(), "cell"), corpus.Plural(k.Blocks(), "block"), k.Block)
			for i, c := range all {
				if i == maxCollisions {
					fmt.Fprintf(e.out, "… and %d more\n", len(all)-i)
					break
				}
				fmt.Fprintf(e.out, "%s; %s alike; block %d first shows it\n", collisionText(m, c), corpus.Plural(c.Cells, "cell"), c.Witness())
			}
			if len(all) == 0 {
				fmt.Fprintln(e.out, "no two blocks collide: every order gives the same result")
				return exitOK, nil
			}
			more := ""
			if len(all) == inplace.MaxCollisions {
				more = " or more"
			}
			fmt.Fprintf(e.out, "%s%s of blocks collide\n", corpus.Plural(len(all), "pair"), more)
			return exitUnexpected, nil
		}
	},
}

// maxCollisions bounds the pairs that are printed: those of one shift are all alike.
const maxCollisions = 20

func collisionText(m *inplace.Map, c inplace.Collision) string {
	at := fmt.Sprintf("%s[%d]", m.Names[c.Storage], c.Offset)
	switch c.Kind {
	case inplace.RAW:
		return fmt.Sprintf("RAW: block %d writes %s, which block %d must read afterwards", c.Writer, at, c.Other)
	case inplace.WAW:
		return fmt.Sprintf("WAW: blocks %d and %d both write %s", c.Writer, c.Other, at)
	}
	return fmt.Sprintf("WAR: block %d writes %s, which block %d must read before", c.Writer, at, c.Other)
}
