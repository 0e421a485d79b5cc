// Package reference is an inference engine that can be read in an hour: a decoder for
// the architectures mistral, gemma2 and gemma3 in float32, with any cache of package
// impls under its sliding layers. It is the example for whoever writes an
// [engine.Driver], and what faults of real engines are planted in.
//
// A token goes through config.go (what the checkpoint asks for), decoder.go (norms,
// projections, feed-forward), rotary.go, store.go (which cache its row goes to, and what
// comes back), attention.go, and out again. engine.go keeps the requests.
package reference
