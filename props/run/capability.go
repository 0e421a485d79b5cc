package run

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// Can reports what a cache of this process can do, by the interfaces that it
// implements.
func Can(c impls.Cache, need corpus.Capability) (ok bool) {
	switch need {
	case "":
		return true
	case corpus.CanCrop:
		_, ok = c.(impls.Cropper)
	case corpus.CanCropEach:
		_, ok = c.(impls.RaggedCropper)
	case corpus.CanRagged:
		_, layered := c.(impls.Layered)
		_, ok = c.(impls.RaggedUpdater)
		ok = ok && !layered
	case corpus.CanSelect:
		_, ok = c.(impls.Selector)
	case corpus.CanSnapshot:
		_, ok = c.(impls.Snapshotter)
	}
	return ok
}

// Capabilities lists what a cache can do beyond what each can.
func Capabilities(c impls.Cache) []corpus.Capability {
	return slices.DeleteFunc(corpus.Capabilities(), func(x corpus.Capability) bool { return !Can(c, x) })
}
