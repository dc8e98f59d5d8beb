"""A webhook that decides nothing, on the same TLS and HTTP stack: the lower bound of the cost."""

import sys
from pathlib import Path

import uvloop
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from app.api.server import Server, listen
from app.certs.reload import ServingContext

app = FastAPI()


@app.post("/validate")
async def validate(request: Request) -> JSONResponse:
    """Parse the review as JSON and allow it."""
    review = await request.json()
    response = {"uid": review["request"]["uid"], "allowed": True}
    return JSONResponse(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    )


def main() -> None:
    folder = Path(sys.argv[1])
    context = ServingContext(folder / "tls.crt", folder / "tls.key")
    listener = listen("127.0.0.1", 0)
    print(f"listens on https://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = Server(app, context.ssl, shutdown_delay=0, shutdown_timeout=5)
    uvloop.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
