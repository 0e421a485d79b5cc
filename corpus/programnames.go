package corpus

// programNames are the names of a program in the making, buffers first, and their rows.
type programNames struct {
	names []string
	rows  map[string]int
}

// name makes a name known, or its rows others.
func (p *programNames) name(name string, rows int) {
	if _, ok := p.rows[name]; !ok {
		p.names = append(p.names, name)
	}
	p.rows[name] = rows
}
