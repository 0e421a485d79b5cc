package gpu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// Programs that a GPU's kernel has no way to run are refused before anything is
// launched: with or without a device, on each that is a GPU's.
func TestRefusedPrograms(t *testing.T) {
	for _, x := range []struct{ stmt, why string }{
		{"x[0:2] = x[0:2] + x[1:3]", "the program adds them"},
		{"x[0:2] += x[1:3]", "the program adds them"},
		{"return transpose(x[0:2])", "the program returns a transposed value"},
	} {
		for _, name := range []string{"opencl", "cuda", "cuda-graph"} {
			schedule := "ascending"
			if name == "cuda-graph" {
				schedule = "native"
			}
			c, err := corpus.Parse("test", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=F32 layout=heads-first\n"+
				"target program/fused/"+name+"\nblock 1\nschedule "+schedule+"\nbuffer x 3\n"+x.stmt+"\n"), 0)
			require.NoError(t, err)
			b := &Backend{Device: name}
			want := "program/fused/" + name + ": the kernel of a GPU copies cells as they are, and " + x.why + "; sim and host run it"
			_, err = b.Run(t.Context(), []*corpus.Case{c})
			require.EqualError(t, err, want)
			_, err = b.Sample(t.Context(), c, 3)
			require.EqualError(t, err, want)
		}
	}
}
