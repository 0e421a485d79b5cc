"""CTranslate2's converter of Hugging Face models, with what 4.8.5 does not find."""

import json
import os

import ctranslate2
import numpy as np


class RotaryBases(ctranslate2.converters.TransformersConverter):
    """Gives Gemma 3 the rotary bases of its configuration: see docs/findings.md."""

    def _load(self):
        spec = super()._load()
        with open(os.path.join(self._model_name_or_path, "config.json")) as f:
            config = json.load(f)
        if config["model_type"] == "gemma3_text":
            for layer, kind in zip(spec.decoder.layer, config["layer_types"]):
                layer.self_attention.rotary_base = np.float32(config["rope_parameters"][kind]["rope_theta"])
        return spec


def convert(path, rotary_bases):
    """The folder with the converted checkpoint of a path, which is kept beside it."""
    folder = path + (".bases.ct2" if rotary_bases else ".ct2")
    if not os.path.exists(os.path.join(folder, "model.bin")):
        converter = RotaryBases if rotary_bases else ctranslate2.converters.TransformersConverter
        converter(path).convert(folder, force=True)
    return folder
