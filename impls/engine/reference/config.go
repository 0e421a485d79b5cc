package reference

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/slidefuzz/slidefuzz/impls"
)

// config is what a checkpoint's config.json asks for.
type config struct {
	arch                    string // "mistral", "gemma2" or "gemma3"
	vocabulary, hidden      int
	inner                   int // the width of the feed-forward
	heads, kvHeads, headDim int
	window                  int
	layers                  []layerConfig
	eps                     float64
	scale                   float32 // of scores
	scoreCap, logitCap      float32 // soft caps, 0 for none
	tied                    bool    // the embedding is the head
	dtype                   impls.DType
}

// layerConfig is one layer of it.
type layerConfig struct {
	sliding bool
	theta   float64 // of the rotary positions
}

// gemma reports the family's own ways: norms around each part on both sides, norm
// weights from which 1 is taken away, embeddings scaled, GeLU.
func (c *config) gemma() bool { return c.arch != "mistral" }

// configFile is the keys of config.json that are read. A null is a zero here.
type configFile struct {
	ModelType     string                     `json:"model_type"`
	Vocabulary    int                        `json:"vocab_size"`
	Hidden        int                        `json:"hidden_size"`
	Inner         int                        `json:"intermediate_size"`
	Layers        int                        `json:"num_hidden_layers"`
	Heads         int                        `json:"num_attention_heads"`
	KVHeads       int                        `json:"num_key_value_heads"`
	HeadDim       int                        `json:"head_dim"`
	Window        int                        `json:"sliding_window"`
	LayerTypes    []string                   `json:"layer_types"`
	Pattern       int                        `json:"sliding_window_pattern"`
	Eps           float64                    `json:"rms_norm_eps"`
	Scalar        float64                    `json:"query_pre_attn_scalar"`
	ScoreCap      float32                    `json:"attn_logit_softcapping"`
	LogitCap      float32                    `json:"final_logit_softcapping"`
	Tied          *bool                      `json:"tie_word_embeddings"`
	Act           string                     `json:"hidden_act"`
	Activation    string                     `json:"hidden_activation"`
	Theta         float64                    `json:"rope_theta"`
	LocalTheta    float64                    `json:"rope_local_base_freq"`
	Rope          map[string]json.RawMessage `json:"rope_parameters"`
	RopeScaling   json.RawMessage            `json:"rope_scaling"`
	Bias          bool                       `json:"attention_bias"`
	Bidirectional bool                       `json:"use_bidirectional_attention"`
	DType         string                     `json:"dtype"`
	TorchDType    string                     `json:"torch_dtype"` // in older files
}

// sliding and full are the names of kinds of layer in config.json.
const (
	slidingAttention = "sliding_attention"
	fullAttention    = "full_attention"
)

// readConfig reads config.json. What the engine does not do is an error.
func readConfig(file string) (*config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var f configFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c, err := f.config()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func (f *configFile) config() (*config, error) {
	c := &config{
		vocabulary: f.Vocabulary, hidden: f.Hidden, inner: f.Inner,
		heads: f.Heads, kvHeads: f.KVHeads, headDim: f.HeadDim, window: f.Window, eps: f.Eps,
		scoreCap: f.ScoreCap, logitCap: f.LogitCap,
	}
	act := f.Activation
	switch f.ModelType {
	case "mistral":
		c.arch, act = "mistral", f.Act
	case "gemma2":
		c.arch = "gemma2"
	case "gemma3_text", "gemma3":
		c.arch = "gemma3"
	default:
		return nil, fmt.Errorf("model_type %q: want mistral, gemma2 or gemma3_text", f.ModelType)
	}
	if c.kvHeads == 0 {
		c.kvHeads = c.heads
	}
	if c.headDim == 0 && c.heads > 0 {
		c.headDim = c.hidden / c.heads
	}
	for _, n := range [...]struct {
		name string
		n    int
	}{
		{"vocab_size", c.vocabulary},
		{"hidden_size", c.hidden},
		{"intermediate_size", c.inner},
		{"num_hidden_layers", f.Layers},
		{"num_attention_heads", c.heads},
		{"num_key_value_heads", c.kvHeads},
		{"head_dim", c.headDim},
	} {
		if n.n < 1 || n.n > impls.MaxExtent {
			return nil, fmt.Errorf("%s is %d, want 1 to %d", n.name, n.n, impls.MaxExtent)
		}
	}
	want := "gelu_pytorch_tanh"
	if !c.gemma() {
		want = "silu"
	}
	switch {
	case c.heads%c.kvHeads != 0 || c.headDim%2 != 0:
		return nil, fmt.Errorf("%d heads over %d heads of keys, head dim %d: want a multiple, and an even dim", c.heads, c.kvHeads, c.headDim)
	case act != "" && act != want:
		return nil, fmt.Errorf("activation %q, want %s", act, want)
	case f.Bias || f.Bidirectional:
		return nil, errors.New("biases and attention both ways are not known to this engine")
	case len(f.RopeScaling) > 0 && string(f.RopeScaling) != "null":
		return nil, errors.New("rope_scaling is not known to this engine")
	}
	scalar := f.Scalar
	if scalar == 0 {
		scalar = float64(c.headDim)
	}
	c.scale = float32(1 / math.Sqrt(scalar))
	c.tied = c.gemma()
	if f.Tied != nil {
		c.tied = *f.Tied
	}
	var err error
	if c.dtype, err = parseTorchType(cmp.Or(f.DType, f.TorchDType)); err != nil {
		return nil, err
	}
	return c, f.setLayers(c)
}

func parseTorchType(name string) (impls.DType, error) {
	switch name {
	case "float32", "":
		return impls.F32, nil
	case "float16":
		return impls.F16, nil
	case "bfloat16":
		return impls.BF16, nil
	}
	return 0, fmt.Errorf("dtype %q: want float32, float16 or bfloat16", name)
}

// setLayers says of each layer whether it slides, and its rotary base.
func (f *configFile) setLayers(c *config) error {
	pattern := f.Pattern
	if pattern == 0 {
		pattern = map[string]int{"gemma2": 2, "gemma3": 6}[c.arch]
	}
	if len(f.LayerTypes) > 0 && len(f.LayerTypes) != f.Layers {
		return fmt.Errorf("layer_types has %d entries for %d layers", len(f.LayerTypes), f.Layers)
	}
	for i := range f.Layers {
		l := layerConfig{sliding: !c.gemma() && f.Window > 0 || c.gemma() && (i+1)%pattern != 0}
		if len(f.LayerTypes) > 0 {
			switch f.LayerTypes[i] {
			case slidingAttention, fullAttention:
				l.sliding = f.LayerTypes[i] == slidingAttention
			default:
				return fmt.Errorf("layer_types[%d] is %q, want %s or %s", i, f.LayerTypes[i], slidingAttention, fullAttention)
			}
		}
		if l.sliding && (f.Window < 1 || f.Window > impls.MaxExtent) {
			return fmt.Errorf("layer %d slides, and sliding_window is %d: want 1 to %d", i, f.Window, impls.MaxExtent)
		}
		var err error
		if l.theta, err = f.theta(c, l.sliding); err != nil {
			return err
		}
		c.layers = append(c.layers, l)
	}
	return nil
}

// theta is the rotary base of a kind of layer. Older files have rope_theta and, for the
// sliding layers of Gemma 3, rope_local_base_freq; newer ones have rope_parameters, of
// Gemma 3 by kind of layer.
func (f *configFile) theta(c *config, sliding bool) (float64, error) {
	theta := f.Theta
	if theta == 0 {
		theta = 10_000
		if c.arch == "gemma3" {
			theta = 1_000_000
		}
	}
	if c.arch == "gemma3" && sliding {
		if theta = f.LocalTheta; theta == 0 {
			theta = 10_000
		}
	}
	rope := f.Rope
	kind := fullAttention
	if sliding {
		kind = slidingAttention
	}
	if nested, ok := rope[kind]; ok {
		rope = nil
		if err := json.Unmarshal(nested, &rope); err != nil {
			return 0, fmt.Errorf("rope_parameters: %w", err)
		}
	}
	if typ, ok := rope["rope_type"]; ok && string(typ) != `"default"` {
		return 0, fmt.Errorf("rope_type %s: want default", typ)
	}
	if t, ok := rope["rope_theta"]; ok {
		if err := json.Unmarshal(t, &theta); err != nil {
			return 0, fmt.Errorf("rope_theta: %w", err)
		}
	}
	if !(theta > 0) {
		return 0, fmt.Errorf("rope_theta is %v, want a number above 0", theta)
	}
	return theta, nil
}
