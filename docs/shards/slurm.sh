#!/bin/bash
# A hunt in eight shards as an array: sbatch slurm.sh. SEED, CASES and OUT (a folder that
# all nodes see) may be set. Once the array is done,
#
#	slidefuzz merge -o merged --junit junit.xml "$OUT"
#
# makes one result of it.
#SBATCH --job-name=slidefuzz
#SBATCH --array=0-7
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=02:00:00
set -eu
slidefuzz hunt --seed "${SEED:-7}" --cases "${CASES:-100000}" --shard env \
  -o "${OUT:-slidefuzz-out}/$SLURM_ARRAY_TASK_ID" "$@"
