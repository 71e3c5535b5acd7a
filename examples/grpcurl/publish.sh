#!/bin/sh
# Publishes over gRPC: an event, the same again, another one under its id; then reads what was kept, and the counts.
# Run: sh publish.sh [id]. GATEWAY_URL and QUERY_URL are 127.0.0.1:50051 and :50052 unless set.
# Grpcurl: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
set -eu
gateway=${GATEWAY_URL:-127.0.0.1:50051}
query=${QUERY_URL:-127.0.0.1:50052}
proto=$(dirname "$0")/../../proto
# Who runs it again after a failure gives the same id again: letters, digits and -.
id=${1:-order-$(date +%s)-$$}

echo 'what the servers say of themselves (reflection):'
grpcurl -plaintext "$gateway" describe eventsieve.v1.IngestService.Publish

# What fails for now is sent again as it was, which is safe: the copy that comes second is told DUPLICATE.
publish() { # what it is, the payload
  request="{\"wait_for\": \"WAIT_FOR_STORED\", \"events\": [{\"topic\": \"orders\", \"event_id\": \"$id\", \"timestamp\":
    \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\", \"source\": \"grpcurl-example\", \"payload\": $2}]}"
  echo "$1:"
  for pause in 1 2 4 8 end; do
    # Without reflection, by the .proto files: then the server need not be asked for them before each call.
    code=0
    grpcurl -plaintext -max-time 15 -import-path "$proto" -proto eventsieve/v1/ingest.proto \
      -d "$request" "$gateway" eventsieve.v1.IngestService/Publish || code=$?
    # Grpcurl ends with 1 when nobody is there, else with 64 and the code of gRPC: of DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED
    # and UNAVAILABLE here.
    case $code in 1 | 68 | 72 | 78) [ $pause = end ] || sleep $pause ;; *) break ;; esac
  done
  return $code
}

# OUTCOME_STORED: new. OUTCOME_DUPLICATE: was there before. OUTCOME_CONFLICT: its id is stored with another payload, which
# stays. OUTCOME_ACCEPTED: it cannot be lost, but the verdict was not known in time. OUTCOME_DEAD_LETTERED: kept, not stored.
publish 'an event' '{"total": 12.5}'
publish 'the same again' '{"total": 12.5}'
publish 'another under its id' '{"total": 99}'

echo 'what is kept:'
grpcurl -plaintext -d "{\"topic\": \"orders\", \"event_id\": \"$id\"}" "$query" eventsieve.v1.QueryService/GetEvent
grpcurl -plaintext -d '{"source": "grpcurl-example", "order": "ORDER_DESC", "limit": 3}' \
  "$query" eventsieve.v1.QueryService/ListEvents
grpcurl -plaintext "$query" eventsieve.v1.QueryService/GetStats
