package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/gpu"
)

// designCase is the case of the design page.
const designCase = `slidefuzz case v1
shape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first
target roll/drop-war/sim
block 1                 # elements a block
schedule descending     # ascending | descending | random SEED | native | a list: those blocks first, the rest ascending
append 2
append 1
expect op=2 tensor=keys hazard=WAR     # or: expect ok
`

// call runs the program in this process.
func call(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(stdin), &out, &err)
	return status, out.String(), err.String()
}

// files writes the files of the tests to a new folder and goes there.
func files(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	plain, _, _ := strings.Cut(designCase, "expect")
	for name, text := range map[string]string{
		"design.txt":        designCase,
		"plain.txt":         plain,
		"sound.txt":         strings.Replace(plain, "drop-war", "fused", 1),
		"wrong.txt":         plain + "expect ok\n",
		"opencl.txt":        strings.Replace(plain, "war/sim", "war/opencl", 1),
		"native.txt":        strings.Replace(plain, "schedule descending", "schedule native", 1),
		"empty.txt":         "",
		"noise.txt":         "\x00\xff\xfe not a case \x80",
		"huge.txt":          strings.Replace(plain, "window=2 dim=1", "window=1048576 dim=4096", 1),
		"overflow.txt":      strings.Replace(plain, "window=2", "window=99999999999999999999", 1),
		"long.txt":          "slidefuzz case v1\n" + strings.Repeat("append 1\n", 1<<19),
		"deep.txt":          strings.Replace(plain, "append 2\nappend 1", "buffer x 2\nx[0:1] = "+strings.Repeat("clone(", 1000), 1),
		"fuzz":              "go test fuzz v1\n[]byte(\"\\x00\\x01\\x02zzz\")\n",
		"badfuzz":           "go test fuzz v1\nint(3)\n",
		"FuzzInPlace/input": "go test fuzz v1\n[]byte(\"abc\")\n",
		"good/sub/a.txt":    designCase,
		"good/.hidden.txt":  "nothing",
		"good/README.md":    "no case",
		"none/README.md":    "no case",
		"bad/a.txt":         plain,
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
}

func TestStatus(t *testing.T) {
	files(t)
	// A machine without OpenCL.
	d, err := gpu.Open("opencl")
	require.NoError(t, err)
	d.Close()
	defer d.Close()
	t.Setenv("SLIDEFUZZ_OPENCL_LIB", "libnone.so")
	for _, x := range []struct {
		args   string
		status int
		out    string // in standard output
		err    string // in standard error
	}{
		{"", 2, "", "minimize FILE"},
		{"help", 0, "Exit status", ""},
		{"--help", 0, "Exit status", ""},
		{"help hunt", 0, "--cases N", ""},
		{"hunt -h", 0, "--cases N", ""},
		{"help corpus import", 0, "--program", ""},
		{"help nonsense", 2, "", "slidefuzz help lists the commands"},
		{"nonsense", 2, "", `unknown command "nonsense"`},
		{"corpus", 2, "", "want corpus import, corpus distil or corpus check"},
		{"hunt --nonsense", 2, "", "slidefuzz help hunt lists the flags"},
		{"version", 0, "slidefuzz ", ""},
		{"version x", 2, "", "takes nothing"},

		{"hunt nonsense", 2, "", "slidefuzz targets lists them"},
		{"hunt roll/[", 2, "", "bad pattern"},
		{"hunt roll/fused/opencl", 3, "", "libnone.so"},
		{"hunt --device opencl", 3, "", "apt-get install"},
		{"hunt --device gpu", 2, "", "no device is called"},
		{"hunt roll/fused/sim --device host", 2, "", "leaves no target"},
		{"hunt --cases 0", 2, "", "want at least 1"},
		{"hunt --time 0s", 2, "", "want more than nothing"},
		{"hunt --memory lots", 2, "", "want a size"},
		{"hunt --memory 9223372036854775807", 2, "", "want a size"},
		{"hunt roll/fused/sim --memory 1KiB", 2, "ERROR", ""},
		{"hunt roll/fused/sim --out design.txt", 2, "", "--out"},
		{"hunt roll/fused/sim --junit no/such/x.xml", 2, "", "make it first"},
		{"hunt roll/fused/sim roll/*/sim --cases 20 --seed 0", 0, "seed 0\n", ""},

		{"replay", 2, "", "at least one file"},
		{"replay design.txt", 0, "as expected", ""},
		{"replay --times 3 design.txt", 0, "3 of 3 runs diverged", ""},
		{"replay -- design.txt", 0, "as expected", ""},
		{"replay plain.txt", 1, "row 0 holds token 2, expected token 1", ""},
		{"replay sound.txt", 0, "agrees with the oracle", ""},
		{"replay wrong.txt", 1, "NOT AS EXPECTED", ""},
		{"replay --times 0 plain.txt", 2, "", "want at least 1"},
		{"replay empty.txt wrong.txt", 1, "NOT AS EXPECTED", "empty.txt:1:"},
		{"replay opencl.txt", 3, "", "opencl.txt: device opencl: libnone.so"},
		{"replay native.txt", 2, "", "sim needs an order"},
		{"replay absent.txt", 2, "", "give the path of a file"},
		{"replay .", 2, "", "is a directory"},
		{"replay noise.txt", 2, "", "noise.txt:1:"},
		{"replay huge.txt", 2, "", "--memory raises it"},
		{"replay overflow.txt", 2, "", "overflow.txt:2:"},
		{"replay long.txt", 2, "", "long.txt:1:"},
		{"replay deep.txt", 2, "", "deep.txt:7:"},
		{"replay fuzz", 2, "", "fuzz:1:"},

		{"minimize", 2, "", "want one case file"},
		{"minimize sound.txt", 2, "", "agrees with the oracle"},
		{"minimize noise.txt", 2, "", "noise.txt:1:"},
		{"minimize plain.txt -o no/such/x.txt", 2, "", "no/such"},
		{"report plain.txt -o rep", 0, "report: rep", ""},
		{"report sound.txt", 2, "", "agrees with the oracle"},
		{"replay rep/case.txt", 0, "as expected", ""},

		{"targets", 0, "roll/drop-war/sim", ""},
		{"targets --device host roll/*/*", 0, "roll/fused/host", ""},
		{"targets nonsense", 2, "", "no target matches"},
		{"doctor", 0, "GOMAXPROCS", ""},
		{"doctor --device sim,host", 0, "sim", ""},
		{"doctor --device sim,opencl", 3, "opencl      no: device opencl: libnone.so", "apt-get install"},
		{"doctor --device gpu", 2, "", "no device is called"},

		{"corpus import fuzz", 0, "slidefuzz case v1", ""},
		{"corpus import --program fuzz", 0, "target program/", ""},
		{"corpus import FuzzInPlace/input", 0, "target program/", ""},
		{"corpus import fuzz fuzz", 2, "", "want -o DIR"},
		{"corpus import fuzz ./fuzz -o new", 0, "new/fuzz-2.txt", ""},
		{"corpus import badfuzz", 2, "", "badfuzz: line 2"},
		{"corpus import noise.txt", 2, "", "go test fuzz v1"},
		{"corpus import absent", 2, "", "there is no file"},
		{"corpus check new", 0, "2 cases, 2 as expected", ""},
		{"corpus distil good bad design.txt sound.txt -o few", 0, "2 of 4 cases kept", ""},
		{"corpus distil good -o few", 2, "", "few: it is not empty"},
		{"corpus check few", 0, "2 cases, 2 as expected", ""},
		{"corpus distil good", 2, "", "-o DIR"},
		{"corpus distil noise.txt -o none-of-it", 2, "", "noise.txt:1:"},
		{"corpus check good design.txt", 0, "2 cases, 2 as expected", ""},
		{"corpus check bad good", 1, "bad/a.txt", ""},
		{"corpus check noise.txt good", 2, "2 cases, 1 as expected", "noise.txt:1:"},
		{"corpus check none", 2, "", "no file *.txt"},
		{"corpus check absent", 2, "", "no file or folder"},
		{"corpus check", 2, "", "want a folder or case files"},
	} {
		t.Run(x.args, func(t *testing.T) {
			status, out, err := call(t, "", strings.Fields(x.args)...)
			assert.Equal(t, x.status, status, "%s%s", out, err)
			assert.Contains(t, out, x.out)
			assert.Contains(t, err, x.err)
			if x.err == "" && x.status < 2 {
				assert.Empty(t, err)
			}
		})
	}
}

func TestStandardInput(t *testing.T) {
	status, out, _ := call(t, designCase, "replay", "-")
	assert.Equal(t, 0, status)
	assert.Contains(t, out, "as expected")
	status, _, err := call(t, "nonsense", "replay", "-")
	assert.Equal(t, 2, status)
	assert.Contains(t, err, "standard input:1:")
}

func TestMinimize(t *testing.T) {
	files(t)
	status, small, err := call(t, "", "minimize", "design.txt")
	assert.Equal(t, 0, status)
	assert.Contains(t, err, "proven smallest")
	status, _, _ = call(t, small, "replay", "-")
	assert.Equal(t, 0, status, small)
	status, out, _ := call(t, "", "minimize", "design.txt", "-o", "small.txt")
	assert.Equal(t, 0, status)
	assert.Empty(t, out)
	text, e := os.ReadFile("small.txt")
	require.NoError(t, e)
	assert.Equal(t, small, string(text))
}

func TestHuntReports(t *testing.T) {
	dir := t.TempDir()
	xmlFile := filepath.Join(dir, "junit.xml")
	args := []string{"hunt", "roll/drop-war/sim", "roll/fused/sim", "--cases", "200", "--seed", "7", "--out", dir, "--junit", xmlFile}
	status, out, _ := call(t, "", args...)
	require.Equal(t, 0, status, out)
	assert.Contains(t, out, "caught at case")
	assert.Contains(t, out, "window 2, 1 lane, dim 1")
	assert.Contains(t, out, "proven smallest")
	assert.Contains(t, out, "nothing unexpected")
	report := filepath.Join(dir, "roll_drop-war_sim-1")
	assert.Contains(t, out, report)
	status, out, _ = call(t, "", "replay", filepath.Join(report, "case.txt"))
	assert.Equal(t, 0, status, out)

	data, err := os.ReadFile(xmlFile)
	require.NoError(t, err)
	var suites junitSuites
	require.NoError(t, xml.Unmarshal(data, &suites))
	assert.Equal(t, 2, suites.Tests)
	assert.Zero(t, suites.Failures+suites.Errors+suites.Skipped)
	require.Len(t, suites.Suite.Cases, 2)
	assert.Equal(t, "roll/drop-war/sim", suites.Suite.Cases[0].Name)
	assert.Contains(t, suites.Suite.Cases[0].Out, "slidefuzz case v1")

	// A second hunt overwrites nothing.
	status, _, _ = call(t, "", args...)
	assert.Equal(t, 0, status)
	assert.DirExists(t, filepath.Join(dir, "roll_drop-war_sim-2"))
}

func TestHuntJSON(t *testing.T) {
	status, out, stderr := call(t, "", "hunt", "roll/drop-war/sim", "roll/fused/sim", "--cases", "200", "--seed", "7", "--json")
	assert.Equal(t, 0, status)
	assert.Empty(t, stderr)
	var events []string
	for line := range strings.Lines(out) {
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &v), line)
		event, _ := v["event"].(string)
		events = append(events, event)
		switch event {
		case "finding":
			text, _ := v["case"].(string)
			status, out, _ := call(t, text, "replay", "-")
			assert.Equal(t, 0, status, out)
		case "end":
			assert.InDelta(t, status, v["exit"], 0)
		}
	}
	assert.Equal(t, "start", events[0])
	assert.Equal(t, "end", events[len(events)-1])
	assert.Contains(t, events, "finding")
	_, out, _ = call(t, "", "targets", "--json")
	for line := range strings.Lines(out) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
}

// A known-bad target that no case can catch makes the status 1.
func TestNotCaught(t *testing.T) {
	file := filepath.Join(t.TempDir(), "junit.xml")
	status, out, _ := call(t, "", "hunt", "crop-zero/fused/sim", "--cases", "1", "--seed", "1", "--junit", file)
	assert.Equal(t, 1, status)
	assert.Contains(t, out, "NOT CAUGHT")
	assert.Contains(t, out, "1 unexpected: crop-zero/fused/sim (a known-bad target was not caught)")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var suites junitSuites
	require.NoError(t, xml.Unmarshal(data, &suites))
	assert.Equal(t, 1, suites.Failures)
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, stderr bytes.Buffer
	status := run(ctx, []string{"hunt"}, strings.NewReader(""), &out, &stderr)
	assert.Equal(t, 0, status, "no signal ended it")
	assert.Contains(t, out.String(), "interrupted")
}

// When the time is up, the targets that are left are not run: they must not
// pass for sound or for not caught.
func TestTimeUp(t *testing.T) {
	status, out, _ := call(t, "", "hunt", "*/fused/sim", "--time", "1ns")
	assert.Equal(t, 1, status)
	assert.Contains(t, out, "not run: the time was up")
}

func TestScenario(t *testing.T) {
	if impls.RaceEnabled || testing.Short() {
		t.Skip("some seconds, ten times that with -race")
	}
	status, out, stderr := call(t, "", "hunt", "issue-159855", "--device", "sim")
	assert.Equal(t, 0, status, out+stderr)
	assert.Contains(t, out, "issue-159855 roll/drop-war/sim")
	assert.Contains(t, out, "window 4096, 8 lanes, dim 256")
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestFullDisk(t *testing.T) {
	var stderr bytes.Buffer
	status := run(t.Context(), []string{"targets"}, nil, fullDisk{}, &stderr)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr.String(), "no space left")
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"1": 1 << 20, "1KiB": 1 << 10, "3MiB": 3 << 20, "2GiB": 2 << 30} {
		var s sizeFlag
		require.NoError(t, s.Set(text))
		assert.EqualValues(t, want, s)
	}
	for _, text := range []string{"", "0", "-1", "1.5GiB", "GiB", "9000000TiB"} {
		assert.Error(t, new(sizeFlag).Set(text), text)
	}
}
