package reference

import "math"

// frequencies is by how much each pair of a head's numbers turns from one position to
// the next. Pair i is numbers i and i+dim/2.
func frequencies(theta float64, dim int) []float64 {
	f := make([]float64, dim/2)
	for i := range f {
		// As torch has it: the frequency is a float32.
		f[i] = float64(float32(math.Pow(theta, -2*float64(i)/float64(dim))))
	}
	return f
}

// rotation is the cosine and the sine of each pair at one position.
type rotation struct{ cos, sin []float32 }

func newRotation(frequencies []float64, position int) rotation {
	r := rotation{make([]float32, len(frequencies)), make([]float32, len(frequencies))}
	for i, f := range frequencies {
		sin, cos := math.Sincos(float64(position) * f)
		r.cos[i], r.sin[i] = float32(cos), float32(sin)
	}
	return r
}

// turn turns the heads of a query or of a key in place, each of twice as many numbers
// as there are pairs.
func (r rotation) turn(heads []float32) {
	half := len(r.cos)
	for h := 0; h < len(heads); h += 2 * half {
		a, b := heads[h:h+half], heads[h+half:h+2*half]
		for i, cos := range r.cos {
			sin := r.sin[i]
			a[i], b[i] = a[i]*cos-b[i]*sin, b[i]*cos+a[i]*sin
		}
	}
}
