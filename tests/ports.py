"""Ports of this machine for the servers that tests start."""

import random
import socket

_CANDIDATES = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections and to servers that ask for any port."""
_claims: list[socket.socket] = []


def free_port() -> int:
    """A port that no other caller gets, in this process or another one, until this process ends.

    A name in Linux's abstract namespace claims the port. A bound socket would keep the server from
    it, and a port that is only free when it is asked for may be taken before the server starts.
    """
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0port {port} of the tests of registry-admission")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            _claims.append(claim)
            return port
    raise OSError("no free port")
