package report

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// folder is a report with the test that stands beside it.
type folder struct {
	Report
	Test goTest
}

// Commands are the lines that run the case again, as they are pasted into a
// shell in the report's folder.
func (r folder) Commands() string {
	d := r.Divergence
	var lines [][2]string // a command and what is true of it
	add := func(command, note string) { lines = append(lines, [2]string{command, note}) }
	of := ""
	if r.Engine != "" {
		of = " --engine " + shellArg(r.Engine)
	}
	if r.overWorker() {
		of += " --exec " + shellArg(r.Worker)
	}
	if r.Limits != "" {
		of += " " + r.Limits
	}
	add(r.inFolder("slidefuzz replay"+of+memoryArg(r.Case), "case.txt"), r.outcome())
	if r.replays() {
		note := "without slidefuzz: exits with 1"
		if d.Runs != nil && !always(d.Runs) {
			note = "without slidefuzz, several runs: exits with 1 if one fails"
		}
		add("python3 "+ReproduceName, note)
	}
	if r.shrinkable() {
		add(r.inFolder("slidefuzz minimize"+of+memoryArg(r.Case), "case.txt"), "is there a smaller one?")
	}
	if d.Sim != nil {
		note := "the same race in a fixed order: fails every time"
		if r.overWorker() {
			note = "without the worker: fails every time"
		}
		add("slidefuzz replay"+memoryArg(d.Sim)+" sim.txt", note)
	}
	if r.Test.Source != nil {
		note := "shows the race in a copy of the kernel's moves"
		if !r.Test.Frozen {
			add("go get "+propsPackage+"@"+r.version(), "")
			note = "fails as long as the fault is there"
		}
		add("go test", note)
	}
	// The notes stand in a column, but not behind a line that is very long, as a
	// worker's command makes it.
	const column = 40
	text := ""
	for _, l := range lines {
		text += l[0]
		if l[1] != "" {
			text += strings.Repeat(" ", max(2, column-len(l[0]))) + "# " + l[1]
		}
		text += "\n"
	}
	return text
}

// inFolder is a command with a file of the report, run in the folder and with the variables
// that the worker's command had. A shell of its own leaves the reader's where it is.
func (r Report) inFolder(command, file string) string {
	for _, set := range slices.Backward(r.Env) {
		name, value, _ := strings.Cut(set, "=")
		command = name + "=" + shellWord(value) + " " + command
	}
	if r.Worker == "" || r.Folder == "" || r.Folder == "." {
		return command + " " + file
	}
	return "(cd " + shellWord(noFlag(filepath.ToSlash(r.Folder))) + " && " + command + " " + shellWord(noFlag(filepath.ToSlash(filepath.Join(r.Here, file)))) + ")"
}

// noFlag is a path that no command takes for a flag.
func noFlag(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// outcome is what replaying the case comes to, in a few words.
func (r Report) outcome() string {
	d := r.Divergence
	switch {
	case d.Runs != nil && d.Runs.Of == 0:
		return ""
	case d.Runs != nil && d.Runs.Wrong < sureFailures && !always(d.Runs):
		return fmt.Sprintf("%d of %s failed; the next may all pass", d.Runs.Wrong, corpus.Plural(d.Runs.Of, "run"))
	case d.Runs != nil:
		return fmt.Sprintf("%d of %s failed", d.Runs.Wrong, corpus.Plural(d.Runs.Of, "run"))
	case d.Fault.OfProcess() || r.overWorker() || r.inEngine():
		return ""
	case r.native():
		return "the device chooses the order"
	}
	return "the same outcome each time"
}

// sureFailures is how many failures there must be among some runs for as many
// runs again to show one but once in a thousand times (e^-7).
const sureFailures = 7

// shrinkable reports whether there is a point in minimizing the case. A hang
// takes too long, and so does a device that crashes; a race in an order that the
// device chose cannot be asked twice, and is left as it was found.
func (r Report) shrinkable() bool {
	d := r.Divergence
	switch {
	case r.overWorker(), r.inEngine():
		return d.Fault != corpus.FaultHang
	case d.Fault.OfProcess():
		return false
	}
	return !r.native() || d.Race == nil && (d.Runs == nil || always(d.Runs))
}

// memoryArg is the flag that a case needs which takes more than commands allow.
func memoryArg(c *corpus.Case) string {
	n := c.Bytes()
	if n <= corpus.DefaultLimit {
		return ""
	}
	const mib = 1 << 20
	return fmt.Sprintf(" --memory %d", (n+mib-1)/mib)
}

// propsPackage is what a test that replays a case imports. To ask for the module
// alone would leave go.sum without what the package needs.
const propsPackage = "github.com/slidefuzz/slidefuzz/props"

// released matches the versions that were tagged. A version that Go makes up of a
// commit has a second dash; one of changed files has a plus.
var released = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)

// version is the version of slidefuzz that can be had from everywhere.
func (r Report) version() string {
	if released.MatchString(r.ModuleVersion) {
		return r.ModuleVersion
	}
	return "latest"
}
