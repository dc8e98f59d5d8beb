"""nginx as a TCP balancer in front of several replicas, in place of a Service."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.ports import free_port

_WAIT = 10.0
"""Seconds."""


@contextlib.contextmanager
def balancing(tools: Path, folder: Path, ports: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Spread connections over local ports, round robin. Gives nginx's port and process id."""
    folder.mkdir()
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{target};" for target in ports)
    (folder / "nginx.conf").write_text(
        f"load_module {tools}/ngx_stream_module.so;\n"
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        "events { worker_connections 4096; }\n"
        f"stream {{ upstream replicas {{ {servers} }}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=1024; proxy_pass replicas; }} }}\n"
    )
    command = [str(tools / "nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(_WAIT)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
