package reference

// matrix is weights [rows, cols], which map a vector of cols numbers to one of rows.
// One that is mostly zeros, as those of probe checkpoints are, is kept as what is not.
type matrix struct {
	rows, cols int
	dense      []float32 // nil where it is sparse
	// Of a sparse one row r is the numbers start[r] … start[r+1]-1, at the columns at.
	start, at []int32
	value     []float32
}

// sparseBelow is the part of numbers that are not zero below which a matrix is kept
// sparse: an indexed product takes about four times as long for each number.
const sparseBelow = 4

func newMatrix(rows, cols int, w []float32) *matrix {
	m := &matrix{rows: rows, cols: cols}
	n := 0
	for _, x := range w {
		if x != 0 {
			n++
		}
	}
	if n*sparseBelow > len(w) {
		m.dense = w
		return m
	}
	m.start, m.at, m.value = make([]int32, 1, rows+1), make([]int32, 0, n), make([]float32, 0, n)
	for r := range rows {
		for c, x := range w[r*cols : (r+1)*cols] {
			if x != 0 {
				m.at, m.value = append(m.at, int32(c)), append(m.value, x)
			}
		}
		m.start = append(m.start, int32(len(m.at)))
	}
	return m
}

// mul is the product with a vector x of cols numbers. Sums are in the order of the
// columns for a sparse matrix, in four parts for a dense one.
func (m *matrix) mul(out, x []float32) {
	x = x[:m.cols]
	if m.dense != nil {
		for r := range out[:m.rows] {
			out[r] = dot(m.dense[r*m.cols:(r+1)*m.cols], x)
		}
		return
	}
	for r := range out[:m.rows] {
		var sum float32
		lo, hi := m.start[r], m.start[r+1]
		value := m.value[lo:hi]
		for i, c := range m.at[lo:hi] {
			sum += value[i] * x[c]
		}
		out[r] = sum
	}
}

// row copies row r.
func (m *matrix) row(out []float32, r int) {
	if m.dense != nil {
		copy(out, m.dense[r*m.cols:(r+1)*m.cols])
		return
	}
	clear(out[:m.cols])
	for i := m.start[r]; i < m.start[r+1]; i++ {
		out[m.at[i]] = m.value[i]
	}
}

// dot is the sum of products, in four parts, which a processor adds up side by side.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}
