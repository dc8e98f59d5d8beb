"""Packs digests: a cluster may have a million, and they take most of the usage index's memory."""

import re
from functools import lru_cache

_SHA256 = "sha256:"
_HEX = re.compile(r"[0-9a-f]{64}")
_LENGTH = 32
_DIGEST_LENGTH = len(_SHA256) + 2 * _LENGTH
_OTHER = b"?"
_PADDED = b"+"

Packed = bytes


def pack(digest: str) -> Packed:
    """32 bytes for a sha256 digest. Any other name is kept in full, and is never 32 bytes long."""
    return _pack_once(digest) if len(digest) == _DIGEST_LENGTH else _pack(digest)


def _pack(digest: str) -> Packed:
    if digest.startswith(_SHA256) and _HEX.fullmatch(digest, len(_SHA256)):
        return bytes.fromhex(digest[len(_SHA256) :])
    name = digest.encode(errors="surrogatepass")
    return _OTHER + name if len(name) != _LENGTH - 1 else _PADDED * 2 + name


_pack_once = lru_cache(4096)(_pack)
"""A decision packs the same digest several times. Users choose other names, which may be long."""


def unpack(packed: Packed) -> str:
    if len(packed) == _LENGTH:
        return _SHA256 + packed.hex()
    return packed[1 if packed.startswith(_OTHER) else 2 :].decode(errors="surrogatepass")
