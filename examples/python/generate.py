# Makes the Python code of the API from proto/, in stubs/ beside this file; again when proto/ has changed.
# Run: pip install -r requirements.txt, then python generate.py.
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

here = Path(__file__).resolve().parent
proto = here.parents[1] / "proto"
stubs = here / "stubs"

stubs.mkdir(exist_ok=True)
sys.exit(
    protoc.main(
        [
            "protoc",
            f"-I{proto}",
            f"-I{files('grpc_tools') / '_proto'}",  # google/protobuf/*.proto
            f"--python_out={stubs}",
            f"--grpc_python_out={stubs}",
            *sorted(str(path) for path in proto.glob("eventsieve/v1/*.proto")),
        ]
    )
)
