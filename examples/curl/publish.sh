#!/bin/sh
# Publishes over HTTP: an event, the same again, another one under its id, a batch; says what each answer means; reads.
# Run: sh publish.sh [id]. TARGET_URL is the HTTP bridge, http://127.0.0.1:8080 unless set. Needs curl 7.76 or later.
set -eu
url=${TARGET_URL:-http://127.0.0.1:8080}
url=${url%/}
url=${url%/publish}
# Who runs it again after a failure gives the same id again: letters, digits and -.
id=${1:-order-$(date +%s)-$$}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# What fails for now is sent again as it was: 429 and 503 when their Retry-After is over, lost connections too. That is
# safe: when only the answer was lost, the second copy is told "duplicate".
publish() { # what it is, the body
  status=$(curl -sS --retry 5 --retry-connrefused --retry-all-errors --max-time 15 -o "$answer" -w '%{http_code}' \
    -H 'content-type: application/json' -d "$2" "$url/publish")
  case $status in
  201) means='stored: it is in Postgres, and was new' ;;
  200) means='a duplicate, which changed nothing; of a batch, each result has its own outcome' ;;
  202) means='accepted: it cannot be lost, but the verdict was not known in time; sent again it is told' ;;
  409) means='a conflict: its id is stored with another payload or source, and that stays' ;;
  422) means='a dead letter: kept with its bytes, but it cannot be stored' ;;
  429 | 5??) means='not now: run it again with the same id' ;;
  *) means='refused, and nothing was taken: error.fields says why' ;;
  esac
  printf '%s: %s\n  HTTP %s %s\n' "$1" "$means" "$status" "$(cat "$answer")"
  case $status in 2?? | 409 | 422) ;; *) exit 1 ;; esac
}

event() { # id, total
  printf '{"topic": "orders", "event_id": "%s", "timestamp": "%s", "source": "curl-example", "payload": {"total": %s}}' \
    "$1" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$2"
}

publish 'an event' "$(event "$id" 12.5)"
publish 'the same again' "$(event "$id" 12.5)"
publish 'another under its id' "$(event "$id" 99)"
publish 'a batch of one old, two new' "[$(event "$id" 12.5), $(event "$id-b" 7), $(event "$id-c" 8)]"

echo 'what is kept:'
curl -sS --fail-with-body --retry 5 "$url/events/orders/$id"
echo
curl -sS --fail-with-body --retry 5 -G "$url/events" -d topic=orders -d source=curl-example -d order=desc -d limit=3
echo
