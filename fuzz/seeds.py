#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, taken from the vectors of the format and from what stores answer: fuzz/seeds.py"""

import hashlib
import itertools
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


def replies():
    """What stores answer, by their documentation, and what they must not."""
    for expires, length in [(0, 0), (1_790_000_000_000, 116), (2**64 - 1, 5), (2**64 - 1, 2**64 - 1)]:
        header = b"bcfile\0\1" + expires.to_bytes(8, "big") + length.to_bytes(8, "big")
        yield "file_header", header + bytes(min(length, 116))
        yield "file_header", header[:20]
        yield "file_header", header + bytes(50)
    for reply in [
        b"$3\r\nabc\r\n", b"$-1\r\n", b"$0\r\n\r\n", b":1\r\n", b":-9223372036854775808\r\n", b"+OK\r\n",
        b"-ERR max daily request limit exceeded. Limit: 10000, Usage: 10001\r\n", b"-WRONGPASS invalid\r\n",
        b'[{"result":"YWJj"},{"result":null},{"result":1},{"error":"ERR no"}]', b'[{"result":"OK","x":[1,{}]}]', b"[]",
        b'{"error":"ERR max requests limit exceeded"}', b'{"error":"WRONGPASS invalid or missing auth token"}',
    ]:
        yield "upstash", reply
    for reply in [
        b'{"success":true,"errors":[],"messages":[],"result":null}', b'{"success":true,"errors":null}',
        b'{"success":false,"errors":[{"code":10009,"message":"get: \'key not found\'"}],"messages":[],"result":null}',
        b'{"success":false,"errors":[{"code":1},{"code":10013}]}',
        b'{"success":true,"errors":[],"result":{"successful_key_count":2,"unsuccessful_keys":[]}}',
        b'{"success":true,"errors":[],"result":{"successful_key_count":1,"unsuccessful_keys":["x"]}}', b"<html>",
    ]:
        yield "cloudflare_kv", reply
    for commands, reply in [
        (b"\0", b"VA 3 O1\r\nabc\r\n"), (b"\0", b"EN\r\n"), (b"\0\1", b"EN O1\r\nHD O2\r\n"), (b"\2\2", b"HD O1\r\nNF O2\r\n"),
        (b"\3\4\5", b"SERVER_ERROR object too large for cache\r\nNF O2\r\nMN\r\n"), (b"\3", b"HD O1\r\n"), (b"\5", b"MN\r\n"),
        (b"\3\3\0", b"SERVER_ERROR out of memory storing object\r\nHD O2\r\nVA 0 O3\r\n\r\n"), (b"\0", b"VA 1025 O1\r\n"),
        (b"\1", b"ERROR\r\n"), (b"\1", b"ERROR Too many open connections\r\n"), (b"\2", b"CLIENT_ERROR unauthenticated\r\n"),
    ]:
        yield "memcached", piece(commands) + reply
    node = b"*3\r\n$1\r\na\r\n:7001\r\n$1\r\nx\r\n"
    for reply in [
        b"$3\r\nabc\r\n", b"$-1\r\n", b":0\r\n", b":1\r\n", b"+OK\r\n", b"+PONG\r\n", b"*2\r\n$1\r\na\r\n$-1\r\n", b"_\r\n",
        b"-ERR max number of clients reached\r\n", b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-MOVED 3999 10.0.0.1:6381\r\n", b"-MOVED 3999 :6381\r\n", b"-ASK 3999 2001:db8::1:6381\r\n", b"-TRYAGAIN Multiple keys\r\n",
        b"*1\r\n*4\r\n:0\r\n:16383\r\n" + node + node, b"*2\r\n*3\r\n:0\r\n:9\r\n" + node + b"*3\r\n:5\r\n:3\r\n" + node,
        b"*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n$1\r\n?\r\n:1\r\n", b"*0\r\n", b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n",
        b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", b"*2\r\n$5\r\nslave\r\n$4\r\nhost\r\n", b"%1\r\n+a\r\n#t\r\n", b">2\r\n+a\r\n:1\r\n",
    ]:
        yield "redis", reply
    for attributes in [
        [(0, 0, b"b1.name"), (1, 2, b"entry"), (2, 1, b"1790000001")], [(1, 2, b"entry")], [(1, 2, b""), (2, 1, b"1.5")],
        [(1, 0, b"text"), (2, 0, b"10")], [(2, 1, b"1789999999"), (1, 2, b"late")], [(0, 3, b""), (1, 6, b"set"), (3, 5, b"list")],
    ]:
        items = b"".join(bytes([name, kind]) + piece(value) for name, kind, value in attributes)
        yield "dynamodb", (1_790_000_000_000).to_bytes(8, "little") + bytes([len(attributes)]) + items
    date, later = b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:50:00 GMT"
    for status, after, now in [(429, b"17", b""), (503, later, date), (429, later, b""), (507, b"99999999999999999999", date), (413, b"-1", b"")]:
        head = status.to_bytes(2, "little") + (784_111_777).to_bytes(4, "little") + piece(after) + piece(now)
        for success, told in [(0, 0), (0, 1), (1, 0)]:
            length = bytes([success, told]) + (6).to_bytes(8, "little") + b"\0" + (6).to_bytes(2, "little")
            yield "web", head + length + b"\2" + piece(b"abc") + piece(b"def")
    for text in [
        "500ms", "90s", "10m", "2h", "7d", "0", "18446744073709551615", "18446744073709552s", "+1", "redis://u:hunter2@localhost:7000/3",
        "rediss://:hunter2@[::1]/?protocol=resp3", "unix:///run/redis.sock?db=2&user=u&pass=hunter2", "valkey://host/#insecure", "redis://hunter2:99999",
        "memcache://a,b:7000,[::1],[0:0::2]:7000", "memcached+tls://10.0.0.1,b", "memcache+unix:///run/a.sock", "memcache://u:hunter2@host",
        "https://u:hunter2@h.example/some/path/", "http://localhost:8079", "http://h/?hunter2", "https://us1-merry-cat-32748.upstash.io",
    ]:
        yield "config", text.encode()


def main():
    for target, data in itertools.chain(seeds(), replies()):
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


main()
