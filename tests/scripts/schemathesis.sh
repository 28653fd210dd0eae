#!/usr/bin/env bash
# Holds the host against its own description: openapi-spec-validator on the document, then
# schemathesis (examples, boundary values, fuzzing, linked sequences) on a host of its own.
#
#   [SEED=N] tests/scripts/schemathesis.sh [HOST_BINARY] [SECONDS]
#
# The seed is the same each time, so that a change is judged and not the dice; SEED draws others.
# Needs python3 with venv and the network for PyPI, once: the environment is kept under the target
# folder. Fails on any finding; the report is beside the environment.
set -Eeuo pipefail
bin=${1:+$(realpath "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")"
here=$PWD
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
bin=${bin:-$target/release/levqor-host-http}
seconds=${2:-180}
place=$target/schemathesis
mkdir -p "$place"
[ -x "$bin" ] || { echo "there is no $bin: cargo build --release -p levqor-host-http" >&2; exit 2; }

# One environment for each set of versions.
venv=$place/venv-$(sha256sum requirements.txt | cut -c1-12)
if [ ! -e "$venv/ready" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check --no-deps -r requirements.txt
  touch "$venv/ready"
fi

scratch=$(mktemp -d "$place/run.XXXXXX")
host=
finish() {
  if [ -n "$host" ]; then
    kill "$host" 2>/dev/null || true
    wait "$host" 2>/dev/null || true
  fi
  rm -rf "$scratch"
}
trap finish EXIT

"$bin" openapi >"$scratch/openapi.json"
"$venv/bin/openapi-spec-validator" --subschema-errors all "$scratch/openapi.json"

# A key of this run's own.
secret=$(head -c 32 /dev/urandom | sha256sum | cut -d' ' -f1)
key=lvq_check_$secret
# Thousands of requests a second from one address are no flood here.
LEVQOR_FLAG_RATE_LIMITS=off LEVQOR_ADMIN_KEY=$key "$bin" --listen 127.0.0.1:0 --data-dir "$scratch/data" 2>"$scratch/log" &
host=$!
url=
for _ in $(seq 600); do
  url=$(sed -n 's/.*serving on \(http:[^ "]*\).*/\1/p' "$scratch/log" | head -n 1)
  [ -z "$url" ] || break
  kill -0 "$host" 2>/dev/null || { cat "$scratch/log" >&2; exit 1; }
  sleep 0.05
done
[ -n "$url" ] || { echo "the host did not start" >&2; cat "$scratch/log" >&2; exit 1; }

failed=0
# It keeps what it found in the folder that it runs in.
cd "$scratch"
cp "$here/schemathesis_hooks.py" .
"$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$url/api/v1/openapi.json" \
  --header "Authorization: Bearer $key" \
  --phases examples,coverage,fuzzing,stateful --checks all \
  --max-examples "${MAX_EXAMPLES:-40}" --max-time "$seconds" --request-timeout 10 \
  --seed "${SEED:-19216572998550732517587673802556937183}" --workers 1 --continue-on-failure --no-color \
  --report junit --report-junit-path "$place/report.xml" || failed=$?

# The key was good to the end, or what came after it was refused and looked at by nobody.
curl -fsS -o "$scratch/me" -H "Authorization: Bearer $key" "$url/api/v1/organization" || failed=1

# It is still there, and nothing in it went wrong on the way.
kill -0 "$host" 2>/dev/null || { echo "the host is gone" >&2; failed=1; }
if grep -nE 'panicked|host\.internal' "$scratch/log"; then
  echo "the host's log shows an error of its own" >&2
  failed=1
fi
exit "$failed"
