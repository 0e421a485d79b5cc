package corpus

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// MarshalText implements encoding.TextMarshaler: a case in JSON is its text.
func (c *Case) MarshalText() ([]byte, error) { return c.Text(), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It takes cases of any size: who
// runs one checks that first.
func (c *Case) UnmarshalText(text []byte) error {
	x, err := Parse("case", text, math.MaxInt64)
	if err == nil {
		*c = *x
	}
	return err
}

// plainRace is a Race that JSON makes of its fields.
type plainRace Race

// raceJSON is a Race as JSON. Its kernel is one of the plan's.
type raceJSON struct {
	plainRace
	Kernel int // its place in the plan
}

// MarshalJSON implements json.Marshaler, so that a divergence can be kept in a file.
func (r *Race) MarshalJSON() ([]byte, error) {
	at := slices.Index(r.Plan.Kernels, r.Kernel)
	if at < 0 {
		return nil, fmt.Errorf("a race in a kernel that its plan does not have")
	}
	return json.Marshal(raceJSON{plainRace(*r), at})
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Race) UnmarshalJSON(data []byte) error {
	var x raceJSON
	if err := json.Unmarshal(data, &x); err != nil {
		return err
	}
	if x.Plan == nil || x.Kernel < 0 || x.Kernel >= len(x.Plan.Kernels) {
		return fmt.Errorf("a race in kernel %d, which its plan does not have", x.Kernel)
	}
	*r = Race(x.plainRace)
	r.Kernel = x.Plan.Kernels[x.Kernel]
	return nil
}
