"""A batch in which one prompt has one token: the others come back with tokens of their own
prompts in the place of decoded ones, although include_prompt_in_result is False.

one_token.py FOLDER: a visible Mistral checkpoint of head dim 64, as
`slidefuzz engine checkpoint FOLDER` writes it. It decodes t + 1 after t.
"""
import json, sys
import ctranslate2

ctranslate2.converters.TransformersConverter(sys.argv[1]).convert("one_token.ct2", force=True)
g = ctranslate2.Generator("one_token.ct2", "cpu", intra_threads=1)
names = json.load(open("one_token.ct2/vocabulary.json"))
def decoded(*prompts):
    got = g.generate_batch([[names[t] for t in p] for p in prompts], max_length=3, sampling_topk=1, end_token=[], include_prompt_in_result=False)
    return [r.sequences_ids[0] for r in got]
print("ctranslate2", ctranslate2.__version__)
print("[0, 1, 2, 3, 4] alone", decoded([0, 1, 2, 3, 4]))
print("beside [20, 21]", decoded([0, 1, 2, 3, 4], [20, 21])[0])
beside = decoded([0, 1, 2, 3, 4], [20])[0]
print("beside [20]", beside, "WRONG" if beside != [5, 6, 7] else "")
sys.exit(beside != [5, 6, 7])
