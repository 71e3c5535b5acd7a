# Follows a topic with plain grpcio until Ctrl-C; after a broken connection, and when run again, it goes on where it was.
# Run, after generate.py: python tail.py [topic] [cursor file]. QUERY_URL is 127.0.0.1:50052 unless set.
import os
import sys
import time
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parent / "stubs"))
from eventsieve.v1 import event_pb2, query_pb2, query_pb2_grpc  # noqa: E402

topic = sys.argv[1] if len(sys.argv) > 1 else "orders"
file = Path(sys.argv[2] if len(sys.argv) > 2 else "tail.cursor")
# A connection that broke without a word is noticed, and a server that is back is found within a second.
channel = grpc.insecure_channel(
    os.environ.get("QUERY_URL", "127.0.0.1:50052"),
    options=[
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ],
)
query = query_pb2_grpc.QueryServiceStub(channel)
PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


def follow():
    if file.exists():
        place = {"cursor": file.read_text()}
    else:
        place = {"start": query_pb2.TAIL_START_BEGINNING}
    request = query_pb2.TailEventsRequest(topic=topic, payload_format=event_pb2.PAYLOAD_FORMAT_JSON, **place)
    for answer in query.TailEvents(request):
        # Without an event it is a sign of life.
        if answer.HasField("event"):
            event = answer.event.event
            print(event.topic, event.event_id, event.payload_json, flush=True)
        # The event first and then its cursor: after a crash the last one may come a second time, but none is left out.
        written = file.with_name(f"{file.name}.new")
        written.write_text(answer.cursor)
        written.replace(file)


try:
    while True:
        try:
            follow()
        except grpc.RpcError as error:
            if error.code() not in PASSING:
                raise
            print(f"{error.code().name}: {error.details()}; connecting again", file=sys.stderr)
        time.sleep(1)
except KeyboardInterrupt:
    pass
