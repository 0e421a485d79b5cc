#!/usr/bin/env bash
# Does what README.md says, from top to bottom, as a new user would: makes a fresh
# clone of what is committed here, runs every command of the README's blocks marked
# sh in it, as printed, and prints for each its time and its exit status.
#
#   docs/readme.sh                      all, the tests among them
#   docs/readme.sh --skip 'go test'     without the commands that match
#   docs/readme.sh --list               prints them
#
# go install …@latest gets the clone itself, from a GOPROXY that is a folder. Exits
# with 1 if a command ended otherwise than with 0, or 3: the machine lacks a device.
set -euo pipefail
cd "$(dirname "$0")/.."

# In a block with prompts the other lines are output.
commands() {
  awk '
    /^```/ { if (open) { flush() } else { open = 1; sh = $0 == "```sh"; n = 0; prompts = 0 }; next }
    open && sh { lines[++n] = $0; if (/^\$ /) prompts = 1 }
    function flush(  i) {
      for (i = 1; sh && i <= n; i++)
        if (!prompts && lines[i] != "") print lines[i]
        else if (lines[i] ~ /^\$ /) print substr(lines[i], 3)
      open = 0
    }' README.md
}

skip='^$'
case ${1-} in
--list) commands && exit ;;
--skip) skip=$2 ;;
"") ;;
*) echo "usage: docs/readme.sh [--list | --skip REGEXP]" >&2 && exit 2 ;;
esac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
git clone -q . "$tmp/slidefuzz"
cd "$tmp/slidefuzz"
echo "commit $(git rev-parse HEAD), $(go version), $(nproc) cores"
go run ./docs/goproxy -o "$tmp/proxy"
cache=$(go env GOMODCACHE) proxy=$(go env GOPROXY)
# What is installed must not stay in the machine's module cache.
export GOPROXY="file://$tmp/proxy,file://$cache/cache/download,$proxy" GOPATH=$tmp/go GOMODCACHE= GOBIN= GOSUMDB=off GOFLAGS=-modcacherw
export PATH="$tmp/go/bin:$PATH"
status=0 n=0
printf '\n| command | s | exit status |\n|---|---|---|\n'
while IFS= read -r command; do
  if [[ $command =~ $skip ]]; then
    # A bar would end the cell.
    printf '| `%s` | left out | |\n' "${command//|/\\|}"
    continue
  fi
  n=$((n + 1)) start=$(date +%s.%N) code=0
  bash -c "$command" >"$tmp/$n.log" 2>&1 </dev/null || code=$?
  took=$(echo "$(date +%s.%N) $start" | awk '{ printf "%.1f", $1 - $2 }')
  printf '| `%s` | %s | %d |\n' "${command//|/\\|}" "$took" "$code"
  if [[ $code != 0 && $code != 3 ]]; then
    status=1
    tail -20 "$tmp/$n.log" >&2
  fi
done < <(commands)
exit $status
