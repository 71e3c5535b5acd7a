# Publishes with plain grpcio: an order, the same again, another one under its id, a batch; then lists what was kept.
# Run, after generate.py: python publish.py [id]. GATEWAY_URL and QUERY_URL are 127.0.0.1:50051 and :50052 unless set.
import json
import os
import random
import sys
import time
import uuid
from pathlib import Path

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

sys.path.insert(0, str(Path(__file__).resolve().parent / "stubs"))
from eventsieve.v1 import event_pb2, ingest_pb2, ingest_pb2_grpc, query_pb2, query_pb2_grpc  # noqa: E402

gateway = ingest_pb2_grpc.IngestServiceStub(grpc.insecure_channel(os.environ.get("GATEWAY_URL", "127.0.0.1:50051")))
query = query_pb2_grpc.QueryServiceStub(grpc.insecure_channel(os.environ.get("QUERY_URL", "127.0.0.1:50052")))

PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}

MEANINGS = {
    ingest_pb2.OUTCOME_STORED: "new, and in Postgres",
    ingest_pb2.OUTCOME_DUPLICATE: "was there before; nothing changed",
    ingest_pb2.OUTCOME_CONFLICT: "its id is stored with another payload or source, which stays",
    ingest_pb2.OUTCOME_ACCEPTED: "cannot be lost; the verdict was not known in time",
    ingest_pb2.OUTCOME_DEAD_LETTERED: "kept with its bytes, but it cannot be stored",
}


def order(order_id, total):
    now = Timestamp()
    now.GetCurrentTime()
    return event_pb2.Event(
        topic="orders",
        event_id=order_id,
        timestamp=now,
        source="python-example",
        payload_json=json.dumps({"total": total}),
    )


def publish(what, *events, patience=30.0):
    """Sends the same request until it is answered. The ids are in it: what arrives twice is told duplicate, not stored twice."""
    request = ingest_pb2.PublishRequest(events=events, wait_for=ingest_pb2.WAIT_FOR_STORED)
    until = time.monotonic() + patience
    pause = 0.1
    while True:
        try:
            answer = gateway.Publish(request, timeout=15)
            break
        except grpc.RpcError as error:
            if error.code() not in PASSING or time.monotonic() + pause > until:
                raise
            print(f"{error.code().name}: {error.details()}; sending it again", file=sys.stderr)
            time.sleep(random.uniform(0, pause))
            pause = min(2 * pause, 5.0)
    for result in answer.results:
        name = ingest_pb2.Outcome.Name(result.outcome)
        print(f"{what}: {result.event_id} {name}, {MEANINGS.get(result.outcome, 'see ingest.proto')}")


def kept():
    """Every event of this example, page by page."""
    request = query_pb2.ListEventsRequest(
        source="python-example", limit=100, payload_format=event_pb2.PAYLOAD_FORMAT_JSON
    )
    while True:
        page = query.ListEvents(request, timeout=15)
        yield from page.events
        if not page.next_cursor:
            return
        request.cursor = page.next_cursor


# Who runs it again after a failure gives the same id again.
order_id = sys.argv[1] if len(sys.argv) > 1 else f"order-{uuid.uuid4()}"

publish("an order", order(order_id, 12.5))
publish("the same again", order(order_id, 12.5))
publish("another under its id", order(order_id, 99))
publish("a batch", order(order_id, 12.5), order(f"{order_id}-b", 7), order(f"{order_id}-c", 8))
for stored in kept():
    print("kept:", stored.position, stored.event.event_id, stored.event.payload_json)
