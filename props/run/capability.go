package run

import "github.com/slidefuzz/slidefuzz/impls"

// Capabilities lists what a cache can do beyond what each can, by the names that
// corpus.Operation.Capability has for it: the optional interfaces that it
// implements.
func Capabilities(c impls.Cache) []string {
	var all []string
	add := func(can bool, name string) {
		if can {
			all = append(all, name)
		}
	}
	_, crop := c.(impls.Cropper)
	_, raggedCrop := c.(impls.RaggedCropper)
	_, snapshot := c.(impls.Snapshotter)
	_, selects := c.(impls.Selector)
	_, ragged := c.(impls.RaggedUpdater)
	add(crop, "crop")
	add(raggedCrop, "ragged-crop")
	add(snapshot, "snapshot")
	add(selects, "select")
	add(ragged, "ragged")
	return all
}
