// Package engine drives inference engines: programs that load a checkpoint and answer
// with logits. It writes checkpoints whose logits say which tokens each query attended
// to, and reads that off the logits.
package engine
