#!/usr/bin/env bash
# Prometheus' own tool reads the alert rules, and what a started host exposes. Takes the host's
# program as its argument; installs Debian's `prometheus` and `curl` where they are not there.
set -Eeuo pipefail
host=${1:?the path of levqor-host-http}
rules=$(dirname "${BASH_SOURCE[0]}")/../../levqor-host-http/deploy/alerts.yaml
missing=()
command -v promtool >/dev/null || missing+=(prometheus)
command -v curl >/dev/null || missing+=(curl)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
scratch=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$scratch"' EXIT

promtool check rules "$rules"
# The check can fail: a rule that is none is refused.
sed 's/> 60$/> > 60/' "$rules" >"$scratch/wrong.yaml"
if promtool check rules "$scratch/wrong.yaml" >/dev/null 2>&1; then
  echo "promtool takes a wrong rule for a right one" >&2
  exit 1
fi

LEVQOR_OPS_LISTEN=127.0.0.1:0 "$host" --listen 127.0.0.1:0 --store memory: \
  --data-dir "$scratch/data" 2>"$scratch/log" &
pid=$!
for _ in $(seq 300); do
  ops=$(sed -n 's/^operator: //p' "$scratch/log")
  [ -z "$ops" ] || break
  kill -0 "$pid"
  sleep 0.1
done
[ -n "$ops" ] || { cat "$scratch/log" >&2; exit 1; }
# Once for the figures that only a request makes.
curl -fsS "$ops/readyz" >/dev/null
curl -fsS "$ops/metrics" >"$scratch/metrics"
promtool check metrics <"$scratch/metrics"
# The check can fail: a counter that is not called one is seen.
if sed 's/levqor_runs_total/levqor_runs/' "$scratch/metrics" | promtool check metrics >/dev/null 2>&1; then
  echo "promtool takes a wrong name for a right one" >&2
  exit 1
fi
curl -fsS -H 'Accept: application/openmetrics-text' "$ops/metrics" | tail -n 1 | grep -qx '# EOF'
echo "promtool: rules and metrics are clean"
