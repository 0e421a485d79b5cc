package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingBf16AsF16 = bug{
	id: "E19", name: "sliding-bf16-as-f16", base: "sliding",
	reference: "vllm-project/vllm#54338",
	mechanism: "the bits of a BF16 are read as those of an F16",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return bf16AsF16{c} }),
}

// bf16AsF16 converts what it takes for F16 to BF16.
type bf16AsF16 struct{ *Sliding }

func (c bf16AsF16) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if keys.DType != impls.BF16 || values.DType != impls.BF16 {
		return c.Sliding.Update(keys, values)
	}
	keys, values = keys.Clone(c.shape), values.Clone(c.shape)
	for _, x := range [...]*impls.Tensor{&keys, &values} {
		for at := 0; at < len(x.Data); at += 2 {
			bits := uint16(x.Data[at]) | uint16(x.Data[at+1])<<8
			// An F16 has 5 bits of exponent with a bias of 15, a BF16 8 with one of 127.
			sign, exponent, fraction := bits&0x8000, bits>>10&0x1f, bits&0x3ff
			bits = sign | (exponent+127-15)<<7 | fraction>>3
			x.Data[at], x.Data[at+1] = byte(bits), byte(bits>>8)
		}
	}
	return c.Sliding.Update(keys, values)
}
