// Plot draws the chance of seeing the race of pytorch#159855 against the size
// of the buffer, one SVG for each order of blocks:
//
//	go run ./docs/devices/plot docs/devices/h200/chance-cuda.csv docs/devices/pocl/chance-opencl.csv
//
// It reads what chance.sh wrote and writes docs/devices/native.svg and
// docs/devices/descending.svg.
package main

import (
	"encoding/csv"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// point is one line of a CSV file.
type point struct{ bytes, share float64 }

// The drawing, in pixels: readable at a phone's width, since an SVG scales.
const (
	width, height            = 640, 320
	left, right, top, bottom = 60, 20, 50, 50
	minLog, maxLog           = 13, 24 // 8 KiB to 16 MiB
)

// colours tell series apart, also for those who see no red.
var colours = []string{"#0072b2", "#d55e00", "#009e73"}

func main() {
	log.SetFlags(0)
	names := os.Args[1:]
	if len(names) == 0 || len(names) > len(colours) {
		log.Fatal("usage: plot CSV…, at most three")
	}
	for order, title := range map[string]string{
		"native":     "The device chooses the order of the blocks",
		"descending": "The case chooses the order of the blocks: descending",
	} {
		var b strings.Builder
		frame(&b, title)
		for i, name := range names {
			points, err := read(name, order)
			if err != nil {
				log.Fatal(err)
			}
			line(&b, points, i, filepath.Base(filepath.Dir(name))+", "+strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "chance-"), ".csv"))
		}
		b.WriteString("</svg>\n")
		if err := os.WriteFile("docs/devices/"+order+".svg", []byte(b.String()), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

func read(name, order string) ([]point, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var points []point
	for _, r := range rows[1:] {
		if r[1] != order {
			continue
		}
		var v [3]float64 // bytes, wrong, runs
		for i, column := range []int{3, 4, 5} {
			if v[i], err = strconv.ParseFloat(r[column], 64); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		points = append(points, point{v[0], v[1] / v[2]})
	}
	return points, nil
}

func x(bytes float64) float64 {
	return left + (math.Log2(bytes)-minLog)/(maxLog-minLog)*(width-left-right)
}

func y(share float64) float64 { return height - bottom - share*(height-top-bottom) }

func frame(b *strings.Builder, title string) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="%d" y="20" font-size="15">%s</text>
`, width, height, left, title)
	for _, share := range []float64{0, 0.5, 1} {
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f %%</text>
`, left, y(share), width-right, left-8, y(share)+4, 100*share)
	}
	for log := minLog; log <= maxLog; log++ {
		size, unit := 1<<log>>10, "K"
		if size >= 1024 {
			size, unit = size>>10, "M"
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d%s</text>
`, x(float64(int(1)<<log)), height-bottom+18, size, unit)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">bytes of the buffer that one kernel shifts by a row</text>
<text x="%d" y="40" fill="#555">runs of 100 with a wrong cell</text>
`, (left+width-right)/2, height-10, left)
}

func line(b *strings.Builder, points []point, i int, name string) {
	var d strings.Builder
	for k, p := range points {
		fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(k, 1)], x(p.bytes), y(p.share))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"/>
`, x(p.bytes), y(p.share), 5-2*i, colours[i])
	}
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="%d"/>
<text x="%d" y="%d" fill="%s" text-anchor="end">%s</text>
`, d.String(), colours[i], 4-2*i, width-right, 20+16*i, colours[i], name)
}
