#!/bin/bash -eu
# What ClusterFuzzLite and OSS-Fuzz run in their image, with OUT, CXX and
# LIB_FUZZING_ENGINE set.
exec "$SRC/slidefuzz/fuzz/libfuzzer/build.sh" "$OUT"
