"""Which tokens the last query of a prompt sees in Ollama's server. Needs Python alone.

    slidefuzz engine checkpoint ./probe --arch gemma3 --window 4 --layers 1 --heads 1 --kv 1 --format gguf
    echo "FROM ./probe/model.gguf" >Modelfile
    ollama serve &
    ollama create probe -f Modelfile
    python seen.py http://127.0.0.1:11434 probe

The checkpoint's logits say which tokens the query attended to: that of x0.0.T is token T's
share. The API gives the 20 largest. Exits with 1 where it is wrong.
"""

import json
import sys
import urllib.request

WINDOW = 4
if len(sys.argv) != 3:
    sys.exit(__doc__)
url, model = sys.argv[1:]
wrong = False
for prompt in range(3), range(1, 9), range(20):
    question = {"model": model, "raw": True, "stream": False, "prompt": "".join(f"t{t}" for t in prompt), "logprobs": True, "top_logprobs": 20, "options": {"num_predict": 1, "temperature": 0}}
    request = urllib.request.Request(url + "/api/generate", json.dumps(question).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        given = {t["token"]: t["logprob"] for t in json.load(reply)["logprobs"][0]["top_logprobs"]}
    # At most nine logits are above that of a token that was not seen, which so is the least.
    least = min(given.values())
    whole = given["x0.0.63"] - least  # what all tokens have together
    seen = [t for t in range(58) if given.get(f"x0.0.{t}", least) - least > 0.1 * whole / len(prompt)]
    want = list(prompt)[-WINDOW:]
    print(list(prompt), "sees", seen, "right" if seen == want else f"WRONG: must see {want}")
    wrong |= seen != want
sys.exit(wrong)
