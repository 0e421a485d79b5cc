//go:build unix

package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
	"github.com/slidefuzz/slidefuzz/props/run/engine"
)

// findings are the kinds of finding that a report draws differently, each a case
// that diverges.
var findings = []struct {
	name, text string
	memory     int64
	// wants is what the page must show, beside the row that is marked.
	wants []string
}{
	{
		name:  "race",
		text:  "shape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first\ntarget roll/drop-war/sim\nblock 1\nschedule descending\nappend 2\nappend 1\n",
		wants: []string{"block 1 W", "block 0 R", "token 2", "marker-end"},
	},
	{
		name:  "bookkeeping",
		text:  "shape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first\ntarget reset-length/fused/sim\nblock 2\nschedule ascending\nappend 1\nreset\nappend 1\n",
		wants: []string{"op 2: reset", "nothing (zeros)"},
	},
	{
		// The size, several blocks in a row, and 262,144 of them.
		name:   "large",
		text:   "shape batch=2 heads=4 window=4096 dim=256 dtype=F32 layout=heads-first\ntarget cat/drop-war/sim\nblock 32\nschedule random 7\nappend 4096\nappend 1\n",
		memory: 1 << 30,
		wants:  []string{"24 of 4096 rows are drawn", "…", "more of the 8 lanes have wrong rows"},
	},
	{
		name:  "positions",
		text:  "shape batch=1 heads=1 window=3 dim=1 dtype=U8 layout=heads-first\ntarget go/ring-wraps-early\nblock 1\nschedule ascending\nappend 3\nappend 1\n",
		wants: []string{"returned", "pos 2: token 2"},
	},
	{
		name:  "visible",
		text:  "shape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\ntarget go/cells-one-mask\nblock 1\nschedule ascending\nappend 2\n",
		wants: []string{"visible", "attended to"},
	},
	{
		name:  "program",
		text:  "shape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\ntarget program/drop-clone/sim\nblock 1\nschedule descending\nbuffer x 4\nx[0:3] = clone(x[1:4])\n",
		wants: []string{"what row 1 of x held", "x[0:3] = clone(x[1:4])"},
	},
	{
		name: "engine",
		text: "shape window=3\ntarget engine/reference:rows-of-other\nmodel arch=mistral kind=visible layers=1 heads=2 kv=1 dim=64 dtype=F32 seed=1\n" +
			"prompt a 6 + prompt b 9\ndecode a + decode b\n",
		wants: []string{"What the query saw", "request a", "request b", `class="wrongrow"`, `class="empty"`},
	},
}

// page writes the page of a finding.
func page(t *testing.T, i int, dir string) (path string, size int) {
	t.Helper()
	f := findings[i]
	c, err := corpus.Parse(f.name, []byte("slidefuzz case v1\n"+f.text), f.memory)
	require.NoError(t, err)
	backends := run.Local()
	backends.Limit = f.memory
	backends.ByDevice[window.EngineDevice] = &engine.References{}
	d, err := backends.One(t.Context(), c)
	require.NoError(t, err)
	require.NotNil(t, d, "%s does not diverge", f.name)
	path = filepath.Join(dir, f.name+".html")
	w, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, report.Report{Case: c, Divergence: d, Versions: []string{"slidefuzz (test)"}}.WriteHTML(w))
	require.NoError(t, w.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, want := range f.wants {
		assert.Contains(t, string(text), want, f.name)
	}
	return path, len(text)
}

// maxPage is the most bytes of a page: what a bug tracker shows, and a phone loads.
const maxPage = 300_000

// Seven kinds of finding, on a screen and on a phone, light and dark: nothing
// overflows the page, and the wrong row is marked inside its picture. The
// screenshots are the test's artifacts.
func TestScreenshots(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: two dozen screenshots")
	}
	chromium := findChromium(t)
	dir := t.TempDir()
	paths := make([]string, len(findings))
	for i, f := range findings {
		var size int
		paths[i], size = page(t, i, dir)
		require.Less(t, size, maxPage, f.name)
	}
	if chromium == "" {
		t.Skip("NO SCREENSHOT IS TESTED: there is no chromium here; on Debian: apt-get install chromium")
	}
	b := startBrowser(t, chromium)
	artifacts := t.ArtifactDir()
	for i, f := range findings {
		for _, width := range []int{1280, 390} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s-%d-%s", f.name, width, scheme)
				var got look
				b.show(t, "file://"+paths[i], width, scheme)
				b.evaluate(t, lookScript, &got)
				assert.Equal(t, width, got.Client, name)
				assert.LessOrEqual(t, got.Scroll, got.Client, "%s: the page overflows", name)
				assert.Positive(t, got.Wrong, "%s: no row is marked", name)
				assert.Equal(t, got.Wrong, got.Visible, "%s: a marked row is not to be seen, or lies outside of its picture", name)
				assert.Empty(t, got.Clipped, "%s: words that reach beyond their place", name)
				assert.Equal(t, scheme == "dark", got.Dark, name)
				require.NoError(t, os.WriteFile(filepath.Join(artifacts, name+".png"), b.screenshot(t, width, got.Height), 0o644))
			}
		}
	}
	// The index of a folder of reports.
	index := report.Index{
		Title: "A hunt in 2 targets, seed 1", Summary: "4000 cases in 2 targets, 1 finding, 0 errors, 1 unexpected, 0 targets not run; 2.5s.",
		Targets: []report.IndexTarget{
			{Name: "roll/fused/sim", Result: "ok", Cases: 2000},
			{
				Name: "worker/ring", Result: "DIVERGED at case 7", Bad: true, Cases: 2000, Operations: "operations accepted: append 1200 (70 refused), crop 0 (all 9 refused)",
				Findings: []report.IndexFinding{{Dir: "worker_ring-1", What: "op 3 (append): " + strings.Repeat("a/very/long/word", 9), Case: "window 2, 1 lane"}},
			},
		},
	}
	require.NoError(t, index.WriteDir(dir))
	for _, width := range []int{1280, 390} {
		var got look
		b.show(t, "file://"+filepath.Join(dir, "index.html"), width, "dark")
		b.evaluate(t, lookScript, &got)
		assert.LessOrEqual(t, got.Scroll, width, "the index overflows")
		require.NoError(t, os.WriteFile(filepath.Join(artifacts, fmt.Sprintf("index-%d-dark.png", width)), b.screenshot(t, width, got.Height), 0o644))
	}
	t.Log("screenshots in " + artifacts)
}

// look is what the script finds on a page.
type look struct {
	Client, Scroll, Height int
	Wrong, Visible         int
	Clipped                []string
	Dark                   bool
}

// lookScript measures a page: whether it overflows, whether each row that is marked
// lies inside its picture and shows its mark, and whether the words of chips and
// segments fit their boxes.
const lookScript = `(() => {
  const root = document.documentElement, wrong = [...document.querySelectorAll('svg.figure [data-wrong], svg.strip .badtext, svg.lanes tspan.badtext')];
  const inside = (a, b) => a.width > 0 && a.height > 0 && a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  const clipped = [];
  for (const text of document.querySelectorAll('svg.figure text, svg.order text, svg.strip text, svg.lanes text')) {
    const box = text.previousElementSibling, t = text.getBoundingClientRect();
    const bounds = box && box.tagName === 'rect' && !box.matches('.wrongrow') ? box.getBoundingClientRect() : text.ownerSVGElement.getBoundingClientRect();
    if (t.left < bounds.left - 2 || t.right > bounds.right + 2) clipped.push(text.textContent);
  }
  const ground = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
  return {
    Client: root.clientWidth, Scroll: root.scrollWidth, Height: root.scrollHeight, Wrong: wrong.length,
    Visible: wrong.filter(e => inside(e.getBoundingClientRect(), e.ownerSVGElement.getBoundingClientRect()) && getComputedStyle(e).visibility === 'visible' && e.textContent.includes('✗ wrong')).length,
    Clipped: clipped, Dark: ground[0] + ground[1] + ground[2] < 384,
  };
})()`

// findChromium is the path of the browser, empty where there is none and none is
// required.
func findChromium(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil && slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), "chromium") {
		t.Fatal("SLIDEFUZZ_REQUIRE names chromium: ", err)
	}
	return path
}

// browser is a Chromium without a window, asked by the DevTools protocol over a pair
// of pipes: one JSON object a message, with a zero byte behind it.
type browser struct {
	in      io.Writer
	out     *bufio.Reader
	id      int
	session string
}

// browserTimeout ends a browser that does not answer; a busy machine takes seconds
// for each page.
const browserTimeout = 3 * time.Minute

func startBrowser(t *testing.T, path string) *browser {
	t.Helper()
	theirIn, in, err := os.Pipe()
	require.NoError(t, err)
	out, theirOut, err := os.Pipe()
	require.NoError(t, err)
	// Not t.TempDir, whose removal fails where a process of the browser's still writes.
	profile, err := os.MkdirTemp("", "slidefuzz-chromium")
	require.NoError(t, err)
	// --no-sandbox: CI runs as root, where Chromium's sandbox does not start; the
	// pages are ours.
	cmd := exec.CommandContext(t.Context(), path, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
		"--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4, as the protocol has it
	require.NoError(t, cmd.Start())
	require.NoError(t, theirIn.Close())
	require.NoError(t, theirOut.Close())
	stop := time.AfterFunc(browserTimeout, func() { _ = cmd.Process.Kill() })
	b := &browser{in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		stop.Stop()
		_ = in.Close() // which ends the browser
		_, _ = io.Copy(io.Discard, b.out)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		_ = out.Close()
		_ = os.RemoveAll(profile)
	})
	var target struct{ TargetID string }
	b.ask(t, "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.ask(t, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.ask(t, "Page.enable", nil, nil)
	return b
}

// ask sends a command and waits for its result.
func (b *browser) ask(t *testing.T, method string, params, result any) {
	t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	require.NoError(t, err)
	_, err = b.in.Write(append(text, 0))
	require.NoError(t, err, "the browser has gone")
	for {
		reply := b.read(t)
		if reply.ID != b.id {
			continue // an event
		}
		require.Nil(t, reply.Error, "%s: %s", method, reply.Error)
		if result != nil {
			require.NoError(t, json.Unmarshal(reply.Result, result))
		}
		return
	}
}

type browserReply struct {
	ID            int
	Method        string
	Result, Error json.RawMessage
}

func (b *browser) read(t *testing.T) (r browserReply) {
	t.Helper()
	text, err := b.out.ReadBytes(0)
	require.NoError(t, err, "the browser does not answer")
	require.NoError(t, json.Unmarshal(text[:len(text)-1], &r))
	return r
}

// show loads a page as a screen of that width and colour scheme has it.
func (b *browser) show(t *testing.T, url string, width int, scheme string) {
	t.Helper()
	b.size(t, width, 900)
	b.ask(t, "Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.ask(t, "Page.navigate", map[string]any{"url": url}, nil)
	for b.read(t).Method != "Page.loadEventFired" {
	}
}

func (b *browser) size(t *testing.T, width, height int) {
	t.Helper()
	b.ask(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// evaluate is the value of a script on the page.
func (b *browser) evaluate(t *testing.T, script string, to any) {
	t.Helper()
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.ask(t, "Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &out)
	require.Nil(t, out.ExceptionDetails, "%s", out.ExceptionDetails)
	require.NoError(t, json.Unmarshal(out.Result.Value, to))
}

// screenshot is the whole page as PNG.
func (b *browser) screenshot(t *testing.T, width, height int) []byte {
	t.Helper()
	b.size(t, width, height)
	var out struct{ Data string }
	b.ask(t, "Page.captureScreenshot", map[string]any{"format": "png"}, &out)
	data, err := base64.StdEncoding.DecodeString(out.Data)
	require.NoError(t, err)
	return data
}
