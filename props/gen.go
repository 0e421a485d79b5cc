package props

import (
	"flag"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leanovate/gopter"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

var (
	seedFlag  = flag.Int64("slidefuzz.seed", 0, "seed of the properties (default: SLIDEFUZZ_SEED, else a random one, printed)")
	timeFlag  = flag.Duration("slidefuzz.time", 0, "how long the subtest Oracle of TestCache goes on, with a new seed for each so many cases (default: so many cases once)")
	casesFlag = flag.Int("slidefuzz.cases", 0, "cases a property (default: SLIDEFUZZ_CASES, else 300, or 50 with -short)")
)

// Parameters are gopter's, as every property here runs with them: one worker,
// since with more the same seed gives other cases; no shrinking of gopter's,
// since package shrink keeps the same failure; and a seed that is printed where
// the test fails, and settable by -slidefuzz.seed or SLIDEFUZZ_SEED.
func Parameters(tb testing.TB) *gopter.TestParameters {
	tb.Helper()
	return parameters(seedOf(tb), casesOf(tb))
}

func parameters(seed int64, cases int) *gopter.TestParameters {
	p := gopter.DefaultTestParametersWithSeed(seed)
	p.Workers, p.MinSuccessfulTests, p.MaxShrinkCount = 1, cases, 0
	return p
}

// seedOf is the seed of the flag, or of the environment, or a new one, which is the
// same for all tests of this run.
func seedOf(tb testing.TB) int64 {
	tb.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = fromEnv(tb, "SLIDEFUZZ_SEED", startSeed)
	}
	return seed
}

var startSeed = time.Now().UnixNano()

// casesOf is how many cases a property has.
func casesOf(tb testing.TB) int {
	tb.Helper()
	if *casesFlag != 0 {
		return *casesFlag
	}
	usual := int64(300)
	if testing.Short() {
		usual = 50
	}
	return int(fromEnv(tb, "SLIDEFUZZ_CASES", usual))
}

func fromEnv(tb testing.TB, name string, usual int64) int64 {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		tb.Fatalf("%s=%q: want a number", name, text)
	}
	return n
}

// Cases is a gopter generator of the cases that corpus.Decode makes: any
// operation, shape, block size and schedule.
func Cases() gopter.Gen {
	return generator(func(p *gopter.GenParameters) *corpus.Case { return corpus.Decode(randomBytes(p.Rng)) })
}

// Programs is a gopter generator of the cases that corpus.DecodeProgram makes of the wider
// grammar: with flips, steps, masks and returned values, and of two in five with sums, in
// I32 or F32.
func Programs() gopter.Gen {
	return generator(func(p *gopter.GenParameters) *corpus.Case {
		return corpus.DecodeProgram(append([]byte(corpus.ProgramPrefix), randomBytes(p.Rng)...))
	})
}

// drawn is a gopter generator of the cases that a hunt in a target draws: its seed is
// drawn with the first.
func drawn(t window.Target) gopter.Gen {
	var next func() *corpus.Case
	return generator(func(p *gopter.GenParameters) *corpus.Case {
		if next == nil {
			next = corpus.Draws(t, p.Rng.Uint64())
		}
		return next()
	})
}

func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, 4+r.Intn(corpus.MaxDraw-3))
	r.Read(b)
	return b
}

// generator makes a gopter generator without shrinker: shrinking is
// package shrink's.
func generator[T any](draw func(*gopter.GenParameters) T) gopter.Gen {
	kind := reflect.TypeFor[T]()
	return func(p *gopter.GenParameters) *gopter.GenResult {
		return &gopter.GenResult{Shrinker: gopter.NoShrinker, Result: draw(p), ResultType: kind}
	}
}

// ForAll is gopter's prop.ForAll for a condition of cases, as [Cases] and [Programs] make
// them. It prints the case that fails alone: gopter's own prints each one, in case it
// should fail, which takes longer than most cases run.
func ForAll(condition func(c *corpus.Case) (bool, error), cases gopter.Gen) gopter.Prop {
	return gopter.SaveProp(func(p *gopter.GenParameters) *gopter.PropResult {
		drawn := cases(p)
		value, ok := drawn.Retrieve()
		if !ok {
			return &gopter.PropResult{Status: gopter.PropUndecided}
		}
		c, ok := value.(*corpus.Case)
		if !ok {
			return &gopter.PropResult{Status: gopter.PropError, Error: fmt.Errorf("props.ForAll: the generator draws %T, not *corpus.Case: take props.Cases or props.Programs", value)}
		}
		holds, err := condition(c)
		switch {
		case err == nil && holds:
			return &gopter.PropResult{Status: gopter.PropTrue}
		case err != nil:
			return failed(drawn, c, &gopter.PropResult{Status: gopter.PropError, Error: err})
		}
		return failed(drawn, c, &gopter.PropResult{Status: gopter.PropFalse})
	})
}

// failed adds the case that failed to a result.
func failed(drawn *gopter.GenResult, c *corpus.Case, r *gopter.PropResult) *gopter.PropResult {
	text := string(c.Text())
	return r.AddArgs(gopter.NewPropArg(drawn, 0, c, text, c, text))
}

// reporter hands gopter's verdict to a test.
type reporter struct{ tb testing.TB }

// ReportTestResult implements gopter.Reporter.
func (r reporter) ReportTestResult(name string, result *gopter.TestResult) {
	r.tb.Helper()
	if !result.Passed() {
		why := result.Labels
		if result.Error != nil {
			why = append([]string{result.Error.Error()}, why...)
		}
		r.tb.Errorf("%s: %s after %d cases: %s", name, result.Status, result.Succeeded, strings.Join(why, " "))
		for _, a := range result.Args {
			text := fmt.Sprint(a.Arg)
			if c, ok := a.Arg.(*corpus.Case); ok {
				text = string(c.Text())
			}
			r.tb.Errorf("%s", text)
		}
	}
}

// check runs properties under Parameters.
func check(tb testing.TB, p *gopter.Properties) {
	tb.Helper()
	p.Run(reporter{tb})
}
