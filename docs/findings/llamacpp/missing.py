"""Random prompts to one slot of llama.cpp's server, as xllamacpp has it: which tokens
the last query of layer 0 sees, with the prompt cache and without. From the repository's
root:

missing.py FILE: a visible Gemma 2 checkpoint of head dim 64 and window 4, as GGUF.
"""
import json, urllib.request, sys, math, subprocess, time, random
gguf=sys.argv[1]; port=18765
p=subprocess.Popen([sys.executable,"impls/engine/llamacpp/serve.py","--model",gguf,"--port",str(port),"--parallel","1"],stderr=subprocess.DEVNULL,stdout=subprocess.DEVNULL)
u=f"http://127.0.0.1:{port}"
for _ in range(200):
    try: urllib.request.urlopen(u+"/health"); break
    except Exception: time.sleep(.1)
def ask(toks,cache=True,n=1):
    r=urllib.request.Request(u+"/completion",json.dumps({"prompt":toks,"n_predict":n,"n_probs":1<<20,"cache_prompt":cache,"samplers":["top_k"],"top_k":1,"ignore_eos":True}).encode(),{"Content-Type":"application/json"})
    a=json.load(urllib.request.urlopen(r)); row={t["id"]:t["logprob"] for t in a["completion_probabilities"][0]["top_logprobs"]}
    z=row[59]; f=lambda i: 300*math.atanh((row[i]-z)/300)
    D=64; w=f(D+63)
    return {t:round(f(D+t)/w*4)/1 for t in range(58) if f(D+t)/w>.05}, a.get("timings",{}).get("cache_n"), a.get("tokens_cached")
rng=random.Random(1)
seq=list(range(58))
bad=0
try:
    for i in range(150):
        n=rng.randrange(5,40); s=rng.choice([0,0,20]); toks=[(s+k)%58 for k in range(n)]
        got=ask(toks,n=rng.choice([1,4,4,8]))
        want={t:1.0 for t in toks[-4:]}
        if got[0]!=want:
            bad+=1; print(i,"prompt",toks[0],"..",toks[-1],"sees",got,"; without the cache",ask(toks,False)[0])
    print("wrong",bad,"of",150)
finally: p.kill()
