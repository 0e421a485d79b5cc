package gpu

import _ "embed"

//go:embed kernel.cl
var kernelSource string

//go:embed prelude.cl
var openclPrelude string

//go:embed prelude.cu
var cudaPrelude string
