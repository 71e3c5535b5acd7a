#!/bin/sh
# Follows what is stored, from the first event on, until Ctrl-C. What comes without an event is a sign of life.
# Run: sh follow.sh [cursor], with the cursor of the last answer to go on after that one. QUERY_URL as for publish.sh.
set -eu
from='"start": "TAIL_START_BEGINNING"'
[ $# -eq 0 ] || from="\"cursor\": \"$1\""
exec grpcurl -plaintext -d "{$from}" "${QUERY_URL:-127.0.0.1:50052}" eventsieve.v1.QueryService/TailEvents
