#!/bin/sh
# Registers the connector, or brings a registered one up to this file: PUT is the same however often it is sent. Waits until it runs.
set -eu
connect="${CONNECT_URL:-http://connect:8083}"
file="${CONNECTOR_FILE:-/connect/articles.json}"
name="$(basename "$file" .json)"

curl --fail-with-body --silent --show-error --retry 30 --retry-delay 2 --retry-all-errors \
  -X PUT -H 'content-type: application/json' --data-binary "@$file" "$connect/connectors/$name/config" >/dev/null

for _ in $(seq 60); do
  status="$(curl --fail --silent "$connect/connectors/$name/status" || true)"
  case "$status" in
    *'"tasks":[{'*'"state":"FAILED"'*)
      echo "The task of connector $name failed: $status" >&2
      exit 1
      ;;
    *'"tasks":[{'*'"state":"RUNNING"'*)
      echo "Connector $name runs."
      exit 0
      ;;
  esac
  sleep 1
done
echo "Connector $name did not start within a minute: $status" >&2
exit 1
