package report

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// lanes is an SVG, in pixels, of what the wrong query of an engine saw: a line of tokens
// for each request, and one for what is no token of a request.
type lanes struct {
	Width, Height int
	Lines         []laneLine
}

type laneLine struct {
	Y     int
	Label string
	Wrong bool // a token is seen and must not be, or the other way round
	Cells []laneCell
}

// laneCell is a token by its position in its request. Kind is "new" of one that is seen as
// often as it must be, "wrongrow" of one that is seen and must not be, "empty" of one that
// must be seen and is not, "rest" for several that are left out. Title says it in words.
type laneCell struct {
	X           int
	Text, Title string
	Kind        string
}

// The measures of lanes, as of a strip.
const (
	laneCells  = 12
	laneCellAt = 36 // "4095 ×2" is written small
	laneHeight = 52
)

// attendedName finds the position of a token, and the request that it is of, in the words
// of corpus.Attended.
var attendedName = regexp.MustCompile(`^token (\d+)(?: of (?:request )?([A-Za-z0-9]+))?`)

// lanes draws what the query saw, nil where nobody can say.
func (r Report) lanes() *lanes {
	of := map[string][]laneCell{}
	var names []string
	own := ""
	if n := len(r.Divergence.Attended); n > 0 { // the newest token that it must see is its own
		if m := attendedName.FindStringSubmatch(r.Divergence.Attended[n-1].Token); m != nil {
			own = m[2]
		}
	}
	for _, a := range r.Divergence.Attended {
		name, text := "", "?"
		if m := attendedName.FindStringSubmatch(a.Token); m != nil {
			// One without a name is of the query's own request.
			if text, name = m[1], m[2]; name == "" {
				name = own
			}
		}
		c := laneCell{Text: text, Kind: "new", Title: fmt.Sprintf("%s: must be seen %s, is seen %s", a.Token, corpus.Plural(a.Want, "time"), corpus.Plural(a.Got, "time"))}
		switch {
		case a.Want > 0 && a.Got == 0:
			c.Kind = "empty"
		case a.Want != a.Got:
			c.Kind = "wrongrow"
		}
		if a.Got > 1 {
			c.Text += fmt.Sprintf("×%d", a.Got)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		of[name] = append(of[name], c)
	}
	if len(names) == 0 {
		return nil
	}
	l := &lanes{Width: 300, Height: len(names) * laneHeight} // as wide as the labels
	for i, name := range names {
		line := laneLine{Y: i * laneHeight, Label: "request " + oneLine(name)}
		if name == "" {
			line.Label = "no token of a request"
		}
		cells := of[name]
		for k, at := range shorten(len(cells), laneCells, func(k int) bool { return cells[k].Kind != "new" }) {
			c := laneCell{Text: "…", Kind: "rest"}
			if at >= 0 {
				c = cells[at]
				line.Wrong = line.Wrong || c.Kind != "new"
			}
			c.X = k * laneCellAt
			line.Cells = append(line.Cells, c)
			l.Width = max(l.Width, c.X+laneCellAt)
		}
		l.Lines = append(l.Lines, line)
	}
	return l
}
