package oracle

// Sees is what a query must attend to in a model: of the tokens of its own request those
// from the first position on, up to its own. window is that of the layer, 0 for one that
// sees all. Padding has no position.
func Sees(position, window int) (first int) {
	if window == 0 {
		return 0
	}
	return max(0, position-window+1)
}

// CountIdentities is how often a query must see each identity: once for each of these
// tokens, which are identities below n.
func CountIdentities(tokens []int, n int) []int {
	counts := make([]int, n)
	for _, t := range tokens {
		counts[t]++
	}
	return counts
}
