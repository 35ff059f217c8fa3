// The contract of blindcache's `HttpBackend`, served from Workers KV:
//
//   GET | HEAD | DELETE  /cache/{store key}                 200 or 204, or 404
//   PUT                  /cache/{store key}?ttl=<seconds>   204; without ttl the entry does not expire
//
// with `Authorization: Bearer <the secret TOKEN>`. It takes only what is in the shape of blinded names and sealed
// entries: a client that would send plaintext is refused.

const STORE_KEY = /^[A-Za-z0-9._:-]{0,64}b1\.[a-z2-7]{51}[aq]$/;
const ENTRY = [0xc1, 0x62, 0x63, 0x01];
const MIN_ENTRY = 116; // bytes
const MAX_ENTRY = 25 * 1024 * 1024; // bytes: the largest value that KV takes
const MIN_TTL = 60; // seconds: the shortest that KV takes; the time within the seal decides
const MAX_TTL = 10 * 365 * 24 * 3600; // seconds
const MIN_TOKEN = 16; // characters

export default {
  async fetch(request, env) {
    if (!(await authorized(request, env.TOKEN))) {
      return new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } });
    }
    const { pathname, searchParams } = new URL(request.url);
    const key = storeKey(pathname);
    if (key === null) return new Response(null, { status: 400 });
    try {
      switch (request.method) {
        case "GET":
          return await get(env.CACHE, key);
        case "HEAD":
          return new Response(null, { status: (await exists(env.CACHE, key)) ? 200 : 404 });
        case "PUT":
          return new Response(null, { status: await put(env.CACHE, key, request, searchParams.get("ttl")) });
        case "DELETE":
          return new Response(null, { status: await remove(env.CACHE, key) });
      }
    } catch (err) {
      return refused(err);
    }
    return new Response(null, { status: 405, headers: { allow: "GET, HEAD, PUT, DELETE" } });
  },
};

// In constant time: digests are compared, which have one length and tell nothing of where two tokens differ.
async function authorized(request, token) {
  if (typeof token !== "string" || token.length < MIN_TOKEN) return false; // not set up yet
  const digest = (text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const given = await digest(request.headers.get("authorization") ?? "");
  return crypto.subtle.timingSafeEqual(given, await digest(`Bearer ${token}`));
}

function storeKey(pathname) {
  if (!pathname.startsWith("/cache/")) return null;
  try {
    const key = decodeURIComponent(pathname.slice("/cache/".length));
    return STORE_KEY.test(key) ? key : null;
  } catch {
    return null; // not percent-encoded UTF-8
  }
}

async function get(kv, key) {
  const entry = await kv.get(key, "arrayBuffer");
  if (entry === null) return new Response(null, { status: 404 });
  const headers = { "content-type": "application/octet-stream", "cache-control": "no-store" };
  return new Response(entry, { headers });
}

async function exists(kv, key) {
  const entry = await kv.get(key, "stream");
  await entry?.cancel();
  return entry !== null;
}

// A status in place of a Response, here and below.
async function put(kv, key, request, ttl) {
  if (ttl !== null && !/^[0-9]{1,20}$/.test(ttl)) return 400;
  if (Number(request.headers.get("content-length")) > MAX_ENTRY) {
    await request.body?.pipeTo(new WritableStream()); // who is still sending may not hear the answer
    return 413;
  }
  const entry = await request.arrayBuffer();
  if (entry.byteLength > MAX_ENTRY) return 413;
  const bytes = new Uint8Array(entry);
  if (bytes.length < MIN_ENTRY || ENTRY.some((byte, at) => bytes[at] !== byte)) return 422;
  const options = ttl === null ? {} : { expirationTtl: Math.min(Math.max(Number(ttl), MIN_TTL), MAX_TTL) };
  await kv.put(key, entry, options);
  return 204;
}

// KV does not say whether there was something to delete, so it is read first. Deleted it is either way: what is read
// may be up to a minute old.
async function remove(kv, key) {
  const there = await exists(kv, key);
  await kv.delete(key);
  return there ? 204 : 404;
}

// KV takes one write a second under one name, and says "429 Too Many Requests" to more.
function refused(err) {
  const throttled = String(err?.message).includes("429");
  return throttled
    ? new Response(null, { status: 429, headers: { "retry-after": "1" } })
    : new Response(null, { status: 503 });
}
