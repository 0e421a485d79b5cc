"""Runs a script with two lines of Inductor's C++ template for flex attention changed, so that
the names of two sizes are replaced as whole words: ks3 is found in ks30 otherwise.

    whole_words.py SCRIPT [ARG ...]
"""

import inspect
import os
import re
import runpy
import sys
import textwrap

import torch._inductor.lowering  # noqa: F401, the template is part of a cycle of imports
import torch._inductor.codegen.cpp_flex_attention_template as template

AS_RELEASED = r'output_code\.replace\(\s*(kernel_group\.args\.sizevars\[\w+\]), ("\w+")\s*\)'
WHOLE_WORDS = r're.sub(r"\\b" + \1 + r"\\b", \2, output_code)'

changed = 0
template.re = re
for name, method in list(vars(template.CppFlexAttentionTemplate).items()):
    if inspect.isfunction(method):
        source, n = re.subn(AS_RELEASED, WHOLE_WORDS, textwrap.dedent(inspect.getsource(method)))
        if n:
            space = {}
            exec(compile(source, template.__file__, "exec"), vars(template), space)
            setattr(template.CppFlexAttentionTemplate, name, space[name])
            changed += n
if changed != 2:
    sys.exit(f"{template.__file__} has {changed} such lines, not 2")
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
runpy.run_path(sys.argv[0], run_name="__main__")
