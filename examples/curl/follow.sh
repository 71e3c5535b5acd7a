#!/bin/sh
# Follows what is stored, an event a line, until Ctrl-C; after a break, or when it is run again, it goes on where it was.
# Run: sh follow.sh [cursor file] [filter=value …], such as sh follow.sh my.cursor topic=orders. TARGET_URL as for publish.sh.
set -eu
url=${TARGET_URL:-http://127.0.0.1:8080}
url=${url%/}
url=${url%/publish}
file=${1:-follow.cursor}
[ $# -eq 0 ] || shift
# Each as curl wants it, once: "$@" is now --data-urlencode filter=value …
for filter in "$@"; do
  shift
  set -- "$@" --data-urlencode "$filter"
done

while :; do
  # The header, which is not sent while there is no cursor, wins over from=start.
  cursor=$(cat "$file" 2>/dev/null || true)
  curl -sSN -G -d from=start "$@" -H "last-event-id: $cursor" -w '\nHTTP %{http_code}\n' "$url/events/stream" |
    while IFS= read -r line; do
      case $line in
      'id: '*) id=${line#id: } ;;
      'data: {"error"'* | '{"error"'*) printf '%s\n' "$line" >&2 ;;
      'data: '*)
        # The event first and then its cursor: after a crash the last one may come a second time, but none is left out.
        printf '%s\n' "${line#data: }"
        printf '%s\n' "$id" >"$file.new" && mv "$file.new" "$file"
        ;;
      'HTTP 400') exit 1 ;;
      esac
    done
  sleep 1
done
