// Package engine is the backend of inference engines: it has them load probe
// checkpoints, gives them the requests of cases, and judges what their logits say that
// each query saw.
package engine
