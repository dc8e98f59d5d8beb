"""Packs digests: a cluster may have a million, and they take most of the usage index's memory."""

_SHA256 = "sha256:"
_LENGTH = 32
_OTHER = b"?"
_PADDED = b"+"

Packed = bytes


def pack(digest: str) -> Packed:
    """32 bytes for a sha256 digest. Any other name is kept in full, and is never 32 bytes long."""
    if digest.startswith(_SHA256):
        digits = digest[len(_SHA256) :]
        try:
            packed = bytes.fromhex(digits)
        except ValueError:
            packed = b""
        # Capital letters and spaces would be lost.
        if len(packed) == _LENGTH and packed.hex() == digits:
            return packed
    name = digest.encode(errors="surrogatepass")
    return _OTHER + name if len(name) != _LENGTH - 1 else _PADDED * 2 + name


def unpack(packed: Packed) -> str:
    if len(packed) == _LENGTH:
        return _SHA256 + packed.hex()
    return packed[1 if packed.startswith(_OTHER) else 2 :].decode(errors="surrogatepass")
