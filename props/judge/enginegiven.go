package judge

import (
	"fmt"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// tokensGiven is what the forwards of a case up to an operation gave to requests: a line
// for each, with the ids that an engine's own interface takes. batches has those of each
// forward.
func tokensGiven(ops []corpus.EngineOp, batches [][]Tokens, padding int) (lines []string) {
	for i := range ops {
		if ops[i].Kind != corpus.Forward || len(batches) == 0 {
			continue
		}
		batch := batches[0]
		batches = batches[1:]
		var parts []string
		for _, t := range batch {
			ids := inRuns(t.Tokens[t.Pad:])
			if t.Pad > 0 {
				ids = fmt.Sprintf("%d times padding (%d), then %s", t.Pad, padding, ids)
			}
			parts = append(parts, fmt.Sprintf("%s gets %s", t.Request, ids))
		}
		if len(parts) > 0 {
			lines = append(lines, fmt.Sprintf("op %d: %s", i+1, strings.Join(parts, "; ")))
		}
	}
	return lines
}

// inRuns lists numbers, those that follow each other as the first and the last.
func inRuns(numbers []int) string {
	var runs []string
	for from := 0; from < len(numbers); {
		to := from
		for to+1 < len(numbers) && numbers[to+1] == numbers[to]+1 {
			to++
		}
		runs = append(runs, listed(numbers[from], numbers[to]))
		from = to + 1
	}
	return strings.Join(runs, ", ")
}
