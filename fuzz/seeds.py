#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, taken from the vectors of the format: fuzz/seeds.py"""

import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).parent
VECTORS = json.loads((HERE.parent / "tests/vectors/v1.json").read_text())


def piece(data):
    """As the targets read it: a byte of length, then the bytes."""
    return bytes([len(data)]) + data


def seeds():
    for vector in VECTORS["entries"] + VECTORS["markers"]:
        entry = bytes.fromhex(vector["envelope"])
        if len(entry) <= 1024:
            yield "open", entry
            yield "header", entry
            yield "aead", bytes(60) + piece(entry[:64]) + entry[64:]
            yield "mutate", bytes(24) + piece(entry[:200]) + bytes(24) + piece(entry[40:90]) + b"\x03\x10\x00\x00\x01"
    for vector in VECTORS["payloads"]:
        payload = bytes.fromhex(vector["payload"])
        if len(payload) <= 1024:
            yield "decode", payload
            length = len(payload).to_bytes(4, "big")
            yield "inner", b"\x01\x00\x01" + bytes(6) + bytes(16) + b"\xff" * 8 + length + payload
            yield "seal_open", bytes(25) + b"\x01\x02" + piece(b"users") + piece(b"a") + payload
    for vector in VECTORS["canonical_keys"]:
        if "msgpack" in vector:
            yield "decode", bytes.fromhex(vector["msgpack"])
    for first in range(8):
        for second in range(8):
            yield "logical_key", bytes([first, 3, second, 1, 2, 4, 2, 0x61, 0x62, first, 5, second, 9, 1, 1, 0])
    for vector in VECTORS["names"]:
        texts = [vector["tenant"], vector["namespace"], vector["prefix"]]
        head = b"".join(piece(text.encode()[:255]) for text in texts)
        yield "store_key", head + piece(b"key") + bytes(8) + vector["store_key"].encode()
        place = b"\x00\x01" + piece(texts[0].encode()[:255]) + bytes(8) + piece(texts[1].encode()[:255]) + piece(b"key")
        yield "context", place + place
    for which in range(10):
        yield "keyring_model", bytes([20]) + bytes([9, 0, 9, 0, which, 1, 15, 0]) * 5 + bytes([40]) + bytes(range(which, 240))
    for text in ["bcmk1-", "cfe4d877507986e428f59abbbc750bb57a515653d969d3913ff6239005da3895"]:
        yield "master_key", text.encode()
    key = bytes.fromhex(VECTORS["keys"][0]["sealing_master"])
    yield "master_key", key
    import base64

    yield "master_key", base64.b64encode(key)
    checked = key + hashlib.sha256(key).digest()[:4]
    yield "master_key", b"bcmk1-" + base64.b32encode(checked).lower().rstrip(b"=")


def main():
    for target, data in seeds():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


main()
