package worker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
)

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
