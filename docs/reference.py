#!/usr/bin/env python3
"""Independent reference of the entry format in FORMAT.md, and the generator of tests/vectors/v1.json.

    python3 docs/reference.py            check every case in tests/vectors/v1.json
    python3 docs/reference.py --write    write it anew
    python3 docs/reference.py --entries FILE    open each entry of a list that another implementation sealed

Needs: pip install -r docs/requirements.txt
"""
import argparse
import hashlib
import hmac
import json
import pathlib
import struct
import sys

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

MAGIC = b"\xc1bc\x01"
HEADER, INNER, TAG = 64, 36, 16
NEVER = 2**64 - 1
MAX_SKEW_MS = 300_000
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def expand(prk, label, context=b"", length=32):
    info = b"blindcache/v1/" + label + b"\0" + context
    return HKDFExpand(hashes.SHA256(), length, info).derive(prk)


def entry_keys(seal_key, salt, locator):
    """The AES key and the commitment of one entry. Short labels: each HMAC input fits one SHA-256 block."""
    derive = lambda label: HKDFExpand(hashes.SHA256(), 32, label + b"\0" + salt + locator).derive(seal_key)
    return derive(b"entry-key"), derive(b"entry-com")


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


class Tenant:
    """Keys of one tenant: `seal` and `key_id` from a sealing master, `name` from the naming master."""

    def __init__(self, sealing_master, naming_master, tenant_id):
        assert 1 <= len(tenant_id) <= 255
        self.key_id = expand(sealing_master, b"key-id", length=4)
        self.seal_key = expand(expand(sealing_master, b"tenant", tenant_id), b"seal")
        self.name_key = expand(expand(naming_master, b"tenant", tenant_id), b"name")

    def locator(self, kind, epoch, namespace, name):
        return mac(self.name_key, bytes([kind]) + struct.pack(">QI", epoch, len(namespace)) + namespace + name)


def base32(data):
    bits = "".join(f"{b:08b}" for b in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(BASE32[int(bits[i:i + 5], 2)] for i in range(0, len(bits), 5))


def store_key(prefix, locator):
    return prefix + "b1." + base32(locator)


def canonical(value):
    """Canonical MessagePack of a logical key: shortest forms, map entries sorted by encoded key, no floats."""
    if not isinstance(value, (type(None), bool, int, str, bytes, list, tuple, dict)):
        raise ValueError("no canonical key form")
    if isinstance(value, (list, tuple)):
        head = msgpack.Packer().pack_array_header(len(value))
        return head + b"".join(canonical(v) for v in value)
    if isinstance(value, dict):
        pairs = sorted((canonical(k), canonical(v)) for k, v in value.items())
        return msgpack.Packer().pack_map_header(len(pairs)) + b"".join(k + v for k, v in pairs)
    return msgpack.packb(value, use_bin_type=True)


def padme(length, floor=64):
    """Padme (PURBs, PETS 2019): leak O(log log n) bits of a length."""
    length = max(length, floor)
    e = length.bit_length() - 1
    s = e.bit_length()
    mask = (1 << (e - s)) - 1
    return (length + mask) & ~mask


def inner(payload, *, flags=0, codec=1, schema=0, created, stale, expires, tags=(), pad="padme",
          payload_len=None, tags_len=None, padding_byte=0):
    tag_list = b"".join(bytes([len(t)]) + t for t in tags)
    body = struct.pack(">BBHIQQQI", flags, codec, len(tag_list) if tags_len is None else tags_len, schema,
                       created, stale, expires, len(payload) if payload_len is None else payload_len)
    body += tag_list + payload
    target = {"none": len(body), "padme": padme(len(body))}[pad] if isinstance(pad, str) else pad
    return body + bytes([padding_byte]) * (target - len(body))


def seal_inner(tenant, locator, nonce, plaintext, magic=MAGIC):
    head = magic + tenant.key_id
    key, commitment = entry_keys(tenant.seal_key, nonce[:12], locator)
    header = head + nonce + commitment
    return header + AESGCM(key).encrypt(nonce[12:], plaintext, header + locator)


def open_entry(tenants, locator, envelope, now, schema=0, marker=False):
    """Return (meta, payload) or raise ValueError with the reason's name. `tenants`: one Tenant per accepted key."""
    if len(envelope) < HEADER + INNER + TAG or envelope[:3] != MAGIC[:3]:
        raise ValueError("not_sealed")
    if envelope[3] != MAGIC[3]:
        raise ValueError("unknown_format")
    tenant = next((t for t in tenants if t.key_id == envelope[4:8]), None)
    if tenant is None:
        raise ValueError("unknown_key")
    nonce = envelope[8:32]
    key, commitment = entry_keys(tenant.seal_key, nonce[:12], locator)
    if not hmac.compare_digest(commitment, envelope[32:64]):
        raise ValueError("tampered")
    try:
        plain = AESGCM(key).decrypt(nonce[12:], envelope[64:], envelope[:64] + locator)
    except InvalidTag:
        raise ValueError("tampered") from None
    flags, codec, tags_len, got_schema, created, stale, expires, size = struct.unpack(">BBHIQQQI", plain[:INNER])
    rest = plain[INNER:]
    if flags or codec not in (1, 2) or tags_len + size > len(rest) or any(rest[tags_len + size:]):
        raise ValueError("malformed")
    if not created <= stale <= expires:
        raise ValueError("malformed")
    tags, at = [], 0
    while at < tags_len:
        n = rest[at]
        if n == 0 or at + 1 + n > tags_len:
            raise ValueError("malformed")
        tags.append(rest[at + 1:at + 1 + n])
        at += 1 + n
    if marker and (flags, codec, got_schema, tags_len, size, stale) != (0, 2, 0, 0, 0, expires):
        raise ValueError("malformed")
    if now >= expires:
        raise ValueError("expired")
    if created > now + MAX_SKEW_MS:
        raise ValueError("from_the_future")
    if got_schema != schema:
        raise ValueError("schema")
    meta = dict(flags=flags, codec=codec, schema=got_schema, created_at=created, stale_at=stale, expires_at=expires,
                tags=[t.hex() for t in tags])
    return meta, rest[tags_len:tags_len + size]


def decode(payload):
    """One MessagePack value, the whole payload, at most 64 containers deep."""
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=len(payload) + 1)
    unpacker.feed(payload)
    try:
        value = unpacker.unpack()
    except Exception:
        raise ValueError("undecodable") from None
    depth = lambda v: 1 + max(map(depth, [*v, *v.values()] if isinstance(v, dict) else v), default=0) if isinstance(v, (list, dict)) else 0
    if unpacker.tell() != len(payload) or depth(value) > 64:
        raise ValueError("undecodable")
    return value


# ---- one ciphertext for two keys: what the commitment is there to refuse -----------------------

def gf_mul(x, y):
    z = 0
    for i in range(127, -1, -1):
        z ^= x if y >> i & 1 else 0
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return z


def gf_inverse(x):
    r, n = 1 << 127, (1 << 128) - 2
    while n:
        r = gf_mul(r, x) if n & 1 else r
        x, n = gf_mul(x, x), n >> 1
    return r


def two_key_ciphertext(key1, key2, iv, aad, body):
    """body || one block || tag that AES-256-GCM accepts under both keys (invisible salamanders, CRYPTO 2018)."""
    block = lambda key, b: int.from_bytes(Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(b), "big")

    def ghash(h, data):
        pad = lambda d: d + b"\0" * (-len(d) % 16)
        text = pad(aad) + pad(data) + struct.pack(">QQ", len(aad) * 8, len(data) * 8)
        y = 0
        for i in range(0, len(text), 16):
            y = gf_mul(y ^ int.from_bytes(text[i:i + 16], "big"), h)
        return y

    h = [block(k, bytes(16)) for k in (key1, key2)]
    mask = [block(k, iv + b"\0\0\0\1") for k in (key1, key2)]
    base = body + bytes(16)
    difference = ghash(h[0], base) ^ mask[0] ^ ghash(h[1], base) ^ mask[1]
    fix = gf_mul(difference, gf_inverse(gf_mul(h[0], h[0]) ^ gf_mul(h[1], h[1])))
    data = body + fix.to_bytes(16, "big")
    return data + (ghash(h[0], data) ^ mask[0]).to_bytes(16, "big")


# ---- vectors -----------------------------------------------------------------------------------

def stream(seed):
    """Deterministic bytes for the vectors, so that they can be written again and compared."""
    counter = 0
    while True:
        yield from hashlib.sha256(seed + struct.pack(">I", counter)).digest()
        counter += 1


def build(seed):
    rng = stream(seed)
    take = lambda n: bytes(next(rng) for _ in range(n))
    m1, m2 = take(32), take(32)
    t0 = 1_790_000_000_000
    out = {"format": "blindcache/v1", "keys": [], "names": [], "canonical_keys": [], "padme": [], "payloads": [],
           "markers": [], "entries": []}

    masters = {"m1": m1, "m2": m2}
    tenants = {}
    for sealing in ("m1", "m2"):
        for tenant_id in ("acme", "globex", "Zoë", "t" * 255):
            t = Tenant(masters[sealing], m1, tenant_id.encode())
            tenants[sealing, tenant_id] = t
            out["keys"].append(dict(sealing_master=masters[sealing].hex(), naming_master=m1.hex(), tenant=tenant_id,
                                    key_id=t.key_id.hex(), seal_key=t.seal_key.hex(), name_key=t.name_key.hex()))

    for key in ("user:42", "", "k" * 300, ["user", 42], ["ab", "c"], ["a", "bc"], 42, -1, 127, 128, -32, -33, 255, 256, -129,
                32_767, 32_768, 65_535, 65_536, 2**32 - 1, 2**32, 2**40, 2**63, 2**64 - 1, -2**63, [True, False, None], [], {},
                {"b": 1, "a": [2, {"z": 0, "y": -129}]}, {"bb": 1, "a": 2, "c": 3}, "naïve ключ 鍵", "s" * 31, "s" * 32,
                "s" * 255, "s" * 256, list(range(15)), list(range(16)), {f"k{i:02}": i for i in range(16)}):
        out["canonical_keys"].append(dict(value=key, msgpack=canonical(key).hex()))
    acme, globex = tenants["m1", "acme"], tenants["m1", "globex"]
    for tenant_id, kind, epoch, ns, key, prefix in [
        ("acme", 2, 0, "", "user:42", ""), ("acme", 2, 0, "users", "user:42", ""), ("acme", 2, 1, "users", "user:42", ""),
        ("globex", 2, 0, "users", "user:42", "myapp:"), ("acme", 2, 0, "users", ["user", 42], ""),
        ("acme", 3, 0, "users", "hot", ""), ("acme", 3, 0, "users", "", ""), ("Zoë", 3, 7, "naïve", "été", ""),
        ("acme", 2, 2**64 - 1, "n" * 255, "", "p" * 64),
    ]:
        name = key.encode() if kind == 3 else canonical(key)
        named = tenants["m1", tenant_id].locator(kind, epoch, ns.encode(), name)
        out["names"].append(dict(naming_master=m1.hex(), tenant=tenant_id, kind={2: "entry", 3: "tag"}[kind], epoch=epoch,
                                 namespace=ns, key=key, prefix=prefix, locator=named.hex(), store_key=store_key(prefix, named)))
    for n in (0, 1, 63, 64, 65, 100, 127, 128, 129, 1000, 1024, 4097, 65_537, 1_048_577, 2**32 + 1):
        out["padme"].append(dict(length=n, padded=padme(n)))

    loc = acme.locator(2, 0, b"users", canonical("user:42"))
    user = msgpack.packb({"id": 42, "name": "Ada"})
    base = dict(created=t0, stale=t0 + 30_000, expires=t0 + 60_000)

    def case(name, envelope, *, expect, now=t0 + 1, schema=0, accepted=("m1",), tenant="acme", key="user:42",
             namespace="users", epoch=0, payload=None, meta=None):
        row = dict(name=name, accepted_masters=[masters[m].hex() for m in accepted], naming_master=m1.hex(), tenant=tenant,
                   namespace=namespace, epoch=epoch, key=key, now=now, schema=schema, envelope=envelope.hex(), expect=expect)
        if payload is not None:
            row["payload"] = payload.hex()
            row["meta"] = meta
        out["entries"].append(row)
        check_entry(row)

    def good(name, payload=user, *, pad="padme", now=t0 + 1, accepted=("m1",), sealed_by=acme, schema=0, **fields):
        fields = {**base, **fields}
        env = seal_inner(sealed_by, loc, take(24), inner(payload, pad=pad, schema=schema, **fields))
        meta = dict(flags=fields.get("flags", 0), codec=fields.get("codec", 1), schema=schema, created_at=fields["created"],
                    stale_at=fields["stale"], expires_at=fields["expires"],
                    tags=[t.hex() for t in fields.get("tags", ())])
        case(name, env, expect="ok", now=now, accepted=accepted, schema=schema, payload=payload, meta=meta)
        return env

    env = good("plain")
    good("no_padding", pad="none")
    good("empty_payload", b"", codec=2)
    good("raw_bytes", bytes(range(256)) * 5, codec=2)
    good("tags", tags=(b"hot", b"team:7", b"x" * 255, "été".encode()))
    good("never_expires", stale=NEVER, expires=NEVER)
    good("stale_but_alive", now=t0 + 45_000)
    good("last_millisecond", now=t0 + 59_999)
    good("schema_7", schema=7)
    good("previous_key", sealed_by=tenants["m2", "acme"], accepted=("m1", "m2"))
    good("clock_skew_allowed", now=t0 - MAX_SKEW_MS)
    good("extra_padding", pad=4096)

    case("expired", env, expect="expired", now=t0 + 60_000)
    case("from_the_future", env, expect="from_the_future", now=t0 - MAX_SKEW_MS - 1)
    case("other_schema", env, expect="schema", schema=1)
    case("unknown_key", seal_inner(tenants["m2", "acme"], loc, take(24), inner(user, **base)), expect="unknown_key")
    case("moved_to_another_key", env, expect="tampered", key="user:43")
    case("moved_to_another_namespace", env, expect="tampered", namespace="user")
    case("moved_to_another_epoch", env, expect="tampered", epoch=1)
    case("moved_from_a_marker", seal_inner(acme, acme.locator(3, 0, b"users", b"user:42"), take(24), inner(user, **base)), expect="tampered")
    case("key_id_of_another_accepted_key", env[:4] + tenants["m2", "acme"].key_id + env[8:], expect="tampered", accepted=("m1", "m2"))
    case("wrong_schema_and_expired", env, expect="expired", schema=1, now=t0 + 60_000)
    edge = seal_inner(acme, loc, take(24), inner(user, created=NEVER - 2, stale=NEVER, expires=NEVER))
    case("never_ends_at_the_end_of_time", edge, expect="expired", now=NEVER)
    case("skew_saturates", edge, expect="ok", now=NEVER - 1, payload=user,
         meta=dict(flags=0, codec=1, schema=0, created_at=NEVER - 2, stale_at=NEVER, expires_at=NEVER, tags=[]))
    forged_nonce = take(24)
    forged_key, true_commitment = entry_keys(acme.seal_key, forged_nonce[:12], loc)
    forged_header = MAGIC + acme.key_id + forged_nonce + bytes(32)
    forged = forged_header + AESGCM(forged_key).encrypt(forged_nonce[12:], inner(user, **base), forged_header + loc)
    case("insider_wrong_commitment", forged, expect="tampered")
    rival = tenants["m2", "acme"]
    rival_key, _ = entry_keys(rival.seal_key, forged_nonce[:12], loc)
    two = forged_header[:32] + true_commitment
    both = two_key_ciphertext(forged_key, rival_key, forged_nonce[12:], two + loc, take(96))
    case("opens_under_two_keys_first", two + both, expect="malformed")  # its own key: authentic, and noise inside
    two = MAGIC + rival.key_id + forged_nonce + true_commitment
    both = two_key_ciphertext(rival_key, forged_key, forged_nonce[12:], two + loc, take(96))
    case("opens_under_two_keys_second", two + both, expect="tampered", accepted=("m1", "m2"))
    case("moved_to_another_tenant", env, expect="tampered", tenant="globex")
    case("plaintext_msgpack", user.ljust(200, b"\0"), expect="not_sealed")
    case("empty", b"", expect="not_sealed")
    case("header_only", env[:64], expect="not_sealed")
    case("115_bytes", env[:115], expect="not_sealed")
    case("116_bytes", env[:116], expect="tampered")
    case("one_byte_short", env[:-1], expect="tampered")
    case("one_byte_long", env + b"\0", expect="tampered")
    case("next_format", MAGIC[:3] + b"\x02" + env[4:], expect="unknown_format")
    for name, at in (("nonce", 8), ("iv", 20), ("commitment", 32), ("ciphertext", 64), ("tag", len(env) - 1)):
        case(f"flipped_{name}", env[:at] + bytes([env[at] ^ 1]) + env[at + 1:], expect="tampered")
    case("swapped_body", env[:64] + seal_inner(acme, loc, take(24), inner(user, **base))[64:], expect="tampered")
    for name, fields in {
        "flag_low": dict(flags=1), "flag_high": dict(flags=0x80), "codec_unknown": dict(codec=3), "codec_zero": dict(codec=0),
        "lengths_wrap": dict(tags=(b"abc",), payload_len=2**32 - 4), "payload_beyond_body": dict(payload_len=10_000),
        "payload_len_max": dict(payload_len=2**32 - 1), "tags_beyond_body": dict(tags_len=0xFFFF),
        "padding_not_zero": dict(padding_byte=1), "stale_after_expiry": dict(stale=t0 + 60_001),
        "stale_before_creation": dict(stale=t0 - 1), "empty_tag": dict(tags=(b"",)),
    }.items():
        case(f"insider_{name}", seal_inner(acme, loc, take(24), inner(user, **{**base, **fields})), expect="malformed")
    for name, at, value in (("tag_overruns_far", INNER, 200), ("tag_overruns_by_one", INNER, 4), ("last_padding_byte", -1, 1),
                            ("first_padding_byte", INNER + 4 + len(user), 1)):
        body = bytearray(inner(user, tags=(b"abc",), **base))
        body[at] = value
        case(f"insider_{name}", seal_inner(acme, loc, take(24), bytes(body)), expect="malformed")
    case("zoe", seal_inner(tenants["m1", "Zoë"], tenants["m1", "Zoë"].locator(2, 3, "naïve".encode(), canonical(["é", 1])), take(24),
                           inner(user, **base)), expect="ok", tenant="Zoë", namespace="naïve", epoch=3, key=["é", 1], payload=user,
         meta=dict(flags=0, codec=1, schema=0, created_at=base["created"], stale_at=base["stale"], expires_at=base["expires"], tags=[]))

    spot = acme.locator(3, 0, b"users", b"hot")
    mark = dict(codec=2, created=t0, stale=t0 + 9_000, expires=t0 + 9_000)
    for name, fields, now, expect in (
        ("marker", {}, t0 + 1, "ok"), ("marker_gone", {}, t0 + 9_000, "expired"), ("marker_with_payload", dict(_payload=b"x"), t0 + 1, "malformed"),
        ("marker_with_tags", dict(tags=(b"hot",)), t0 + 1, "malformed"), ("marker_msgpack", dict(codec=1), t0 + 1, "malformed"),
        ("marker_with_schema", dict(schema=1), t0 + 1, "malformed"), ("marker_stale_early", dict(stale=t0), t0 + 1, "malformed"),
        ("marker_from_the_future", dict(created=t0 + MAX_SKEW_MS + 2, stale=NEVER, expires=NEVER), t0 + 1, "from_the_future"),
    ):
        fields = {**mark, **fields}
        sealed = seal_inner(acme, spot, take(24), inner(fields.pop("_payload", b""), **fields))
        out["markers"].append(dict(name=name, accepted_masters=[m1.hex()], naming_master=m1.hex(), tenant="acme", namespace="users", epoch=0,
                                   tag="hot", now=now, envelope=sealed.hex(), expect=expect, created_at=fields["created"]))
    for name, payload, expect in (
        ("nil", b"\xc0", "ok"), ("map", user, "ok"), ("64_deep", b"\x91" * 63 + b"\x90", "ok"), ("65_deep", b"\x91" * 64 + b"\x90", "undecodable"),
        ("10_000_deep", b"\x91" * 10_000 + b"\xc0", "undecodable"), ("empty", b"", "undecodable"), ("trailing_byte", user + b"\xc0", "undecodable"),
        ("cut", user[:-1], "undecodable"), ("array_of_4_billion", b"\xdd\xff\xff\xff\xff", "undecodable"), ("str_of_4_gib", b"\xdb\xff\xff\xff\xffab", "undecodable"),
        ("map_of_4_billion", b"\xdf\xff\xff\xff\xff", "undecodable"), ("never_used_byte", b"\xc1", "undecodable"), ("bad_utf8", b"\xa2\xff\xfe", "undecodable"),
    ):
        out["payloads"].append(dict(name=name, payload=payload.hex(), expect=expect))
    check(out)
    return out


def accepted(row):
    naming = bytes.fromhex(row["naming_master"])
    return [Tenant(bytes.fromhex(m), naming, row["tenant"].encode()) for m in row["accepted_masters"]]


def reason_of(call):
    try:
        return "ok", call()
    except ValueError as reason:
        return str(reason), None


def check_entry(row):
    tenants = accepted(row)
    # A moved entry is opened under the locator of the place it was moved to.
    locator = tenants[0].locator(2, row["epoch"], row["namespace"].encode(), canonical(row["key"]))
    got, opened = reason_of(lambda: open_entry(tenants, locator, bytes.fromhex(row["envelope"]), row["now"], row["schema"]))
    assert got == row["expect"], (row["name"], got)
    if opened:
        meta, payload = opened
        assert payload.hex() == row["payload"] and meta == row["meta"], row["name"]


def check(vectors):
    for row in vectors["keys"]:
        t = Tenant(bytes.fromhex(row["sealing_master"]), bytes.fromhex(row["naming_master"]), row["tenant"].encode())
        assert (t.key_id.hex(), t.seal_key.hex(), t.name_key.hex()) == (row["key_id"], row["seal_key"], row["name_key"]), row
    for row in vectors["names"]:
        t = Tenant(bytes(32), bytes.fromhex(row["naming_master"]), row["tenant"].encode())
        entry = row["kind"] == "entry"
        locator = t.locator(2 if entry else 3, row["epoch"], row["namespace"].encode(), canonical(row["key"]) if entry else row["key"].encode())
        assert (locator.hex(), store_key(row["prefix"], locator)) == (row["locator"], row["store_key"]), row
    for row in vectors["canonical_keys"]:
        assert canonical(row["value"]).hex() == row["msgpack"], row
    for row in vectors["padme"]:
        assert padme(row["length"]) == row["padded"], row
    for row in vectors["payloads"]:
        assert reason_of(lambda: decode(bytes.fromhex(row["payload"])))[0] == row["expect"], row["name"]
    for row in vectors["markers"]:
        tenants = accepted(row)
        locator = tenants[0].locator(3, row["epoch"], row["namespace"].encode(), row["tag"].encode())
        got, opened = reason_of(lambda: open_entry(tenants, locator, bytes.fromhex(row["envelope"]), row["now"], marker=True))
        assert got == row["expect"], (row["name"], got)
        assert not opened or opened[0]["created_at"] == row["created_at"], row["name"]
    for row in vectors["entries"]:
        check_entry(row)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--entries", action="store_true")
    parser.add_argument("--seed", default="blindcache vectors 1")
    parser.add_argument("file", nargs="?", default=pathlib.Path(__file__).parent.parent / "tests/vectors/v1.json", type=pathlib.Path)
    args = parser.parse_args()
    if args.write:
        args.file.write_text(json.dumps(build(args.seed.encode()), indent=1, ensure_ascii=False) + "\n")
    vectors = json.loads(args.file.read_text())
    if args.entries:
        for row in vectors:
            check_entry(row)
        print(f"{len(vectors)} entries open")
        return
    check(vectors)
    print(", ".join(f"{len(rows)} {name}" for name, rows in vectors.items() if isinstance(rows, list)), "hold")


if __name__ == "__main__":
    sys.exit(main())
