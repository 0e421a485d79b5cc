package engine

// minFullGroup is a uniform, a balanced, a lookup and a position head.
const minFullGroup = 4

// role is what one query head does in every layer.
type role struct {
	role   Role
	offset int
}

// FullHeads is the number of query heads with which a full checkpoint has, for each
// of kv KV heads, every lookup and a position head for every distance below window.
func FullHeads(window, kv int) int {
	return kv * (2 + len(lookupOffsets(window)) + window)
}

// lookupOffsets are the offsets of lookup heads, most telling first.
func lookupOffsets(window int) []int {
	var offsets []int
	for _, o := range [...]int{min(3, window-1), window - 1, 1} {
		seen := o < 0 || o >= window
		for _, p := range offsets {
			seen = seen || p == o
		}
		if !seen {
			offsets = append(offsets, o)
		}
	}
	return offsets
}

// balanced is the place of the balanced head in its group, or -1.
func (m Model) balanced() int {
	switch {
	case m.Kind == Full:
		return 1
	case m.group() > 1:
		return m.group() - 1
	}
	return -1
}

// roles are those of the query heads of a layer.
func (m Model) roles() []role {
	roles := make([]role, m.Heads)
	group := m.group()
	for h := range roles {
		kv, at := h/group, h%group
		switch {
		case at == m.balanced():
			roles[h] = role{role: Balanced}
		case m.Kind == Full && at > 1:
			roles[h] = m.fullRole(kv, at-2)
		}
	}
	return roles
}

// fullRole is that of head i after the uniform and the balanced one of a group.
// Lookups give way to distances where heads are few. Distances that do not fit are
// spread, other ones for each KV head.
func (m Model) fullRole(kv, i int) role {
	offsets := lookupOffsets(m.Window)
	rest := m.group() - 2
	lookups := len(offsets)
	if rest < lookups+m.Window {
		lookups = min(lookups, max(1, rest/3))
	}
	if i < lookups {
		return role{Lookup, offsets[i]}
	}
	if n := rest - lookups; n < m.Window {
		return role{Position, ((i-lookups)*m.Window/n + kv) % m.Window}
	}
	return role{Position, (i - lookups) % m.Window}
}
