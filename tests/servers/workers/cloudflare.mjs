// Cloudflare's REST API for Workers KV, as https://developers.cloudflare.com/api/resources/kv/ gives it, over the
// namespace `KV`. Codes of errors are Cloudflare's where they are public, and otherwise 10001.

const MIN_TTL = 60; // seconds
const MAX_KEY = 512; // bytes
const MAX_VALUE = 25 * 1024 * 1024; // bytes
const MAX_PAIRS = 10_000;
const MAX_BODY = 100_000_000; // bytes
const AT_ONCE = 100;

class Failure extends Error {
  constructor(status, code, message, headers = {}) {
    super(message);
    Object.assign(this, { status, code, headers });
  }
}

export default {
  async fetch(request, env) {
    try {
      throttle(env);
      return await route(request, env);
    } catch (err) {
      if (!(err instanceof Failure)) throw err;
      const errors = [{ code: err.code, message: err.message }];
      return Response.json({ success: false, errors, messages: [], result: null }, err);
    }
  },
};

// So many requests in a window, and then none until another such time has passed.
let window = { ends: 0, requests: 0, blocked: 0 };
function throttle({ LIMIT, WINDOW }) {
  if (!LIMIT) return;
  const now = Date.now();
  if (now >= window.ends) window = { ends: now + WINDOW * 1000, requests: 0, blocked: window.blocked };
  if (++window.requests > LIMIT && now >= window.blocked) window.blocked = now + WINDOW * 1000;
  if (now < window.blocked) {
    const headers = { "retry-after": String(Math.ceil((window.blocked - now) / 1000)) };
    throw new Failure(429, 971, "Please wait and consider throttling your request speed", headers);
  }
}

async function route(request, env) {
  const url = new URL(request.url);
  const path = /^\/client\/v4\/accounts\/([^/]+)\/storage\/kv\/namespaces\/([^/]+)\/(.+)$/.exec(url.pathname);
  if (!path) throw new Failure(404, 7000, "No route for that URI");
  const authorization = request.headers.get("authorization") ?? "";
  if (!/^Bearer \S+$/.test(authorization)) throw new Failure(400, 6003, "Invalid request headers");
  if (authorization !== `Bearer ${env.TOKEN}`) throw new Failure(401, 10000, "Authentication error");
  if (path[1] !== env.ACCOUNT) throw new Failure(403, 10000, "Authentication error");
  if (path[2] !== env.NAMESPACE) throw new Failure(404, 10013, "namespace not found");
  if (env.BODY && (await request.clone().arrayBuffer()).byteLength > env.BODY) {
    throw new Failure(413, 10001, "request too large");
  }
  const [kind, name] = path[3].split(/\/(.*)/s);
  switch (`${request.method} ${kind}`) {
    case "GET values":
      return value(env.KV, key(name));
    case "GET metadata":
      return metadata(env.KV, key(name));
    case "PUT values":
      return put(env.KV, key(name), request, url.searchParams);
    case "DELETE values":
      await env.KV.delete(key(name));
      return success(null);
    case "GET keys":
      return list(env.KV, url.searchParams);
    case "PUT bulk":
      return putMany(env.KV, await array(request));
    case "POST bulk":
      if (name === "delete") return deleteMany(env.KV, await array(request));
  }
  throw new Failure(405, 10405, "Method not allowed for this authentication scheme");
}

function success(result, more = {}) {
  return Response.json({ success: true, errors: [], messages: [], result, ...more });
}

function key(text) {
  const name = decodeURIComponent(text ?? "");
  if (name === "" || name === "." || name === "..") throw new Failure(400, 10001, "illegal key name");
  if (new TextEncoder().encode(name).length > MAX_KEY) throw new Failure(414, 10001, "key too long");
  return name;
}

function missing() {
  return new Failure(404, 10009, "get: 'key not found'");
}

async function value(kv, name) {
  const found = await kv.get(name, "arrayBuffer");
  if (found === null) throw missing();
  return new Response(found, { headers: { "content-type": "application/octet-stream" } });
}

async function metadata(kv, name) {
  const { value, metadata } = await kv.getWithMetadata(name, "stream");
  if (value === null) throw missing();
  await value.cancel();
  return success(metadata);
}

async function put(kv, name, request, query) {
  const options = expiry(query.get("expiration"), query.get("expiration_ttl"));
  let body;
  if (request.headers.get("content-type")?.startsWith("multipart/form-data")) {
    const form = await request.formData();
    const value = form.get("value");
    body = typeof value === "string" ? new TextEncoder().encode(value) : await value.arrayBuffer();
    if (form.has("metadata")) options.metadata = JSON.parse(form.get("metadata"));
  } else {
    body = await request.arrayBuffer();
  }
  await store(kv, name, body, options);
  return success(null);
}

async function store(kv, name, body, options) {
  if (body.byteLength > MAX_VALUE) throw new Failure(413, 10001, "value too large");
  await kv.put(name, body, options);
}

function expiry(expiration, ttl) {
  if (ttl !== null && ttl !== undefined) {
    if (!/^\d+$/.test(ttl) || Number(ttl) < MIN_TTL) {
      throw new Failure(400, 10034, `Invalid expiration_ttl of ${ttl}. Expiration TTL must be at least ${MIN_TTL}.`);
    }
    return { expirationTtl: Number(ttl) };
  }
  return expiration === null || expiration === undefined ? {} : { expiration: Number(expiration) };
}

async function list(kv, query) {
  const [limit, prefix, cursor] = ["limit", "prefix", "cursor"].map((name) => query.get(name) ?? undefined);
  const found = await kv.list({ limit: Number(limit ?? 1000), prefix, cursor });
  return success(found.keys, { result_info: { count: found.keys.length, cursor: found.cursor ?? "" } });
}

async function array(request) {
  const body = await request.arrayBuffer();
  if (body.byteLength > MAX_BODY) throw new Failure(413, 10001, "request too large");
  try {
    const pairs = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    if (Array.isArray(pairs) && pairs.length <= MAX_PAIRS) return pairs;
  } catch {
    // the same answer
  }
  throw new Failure(400, 10012, "could not parse the request body");
}

async function putMany(kv, pairs) {
  const writes = pairs.map((pair) => {
    if (typeof pair.key !== "string" || typeof pair.value !== "string") {
      throw new Failure(400, 10012, "could not parse the request body");
    }
    const body = pair.base64 ? Uint8Array.fromBase64(pair.value) : new TextEncoder().encode(pair.value);
    return [key(encodeURIComponent(pair.key)), body, expiry(pair.expiration, pair.expiration_ttl)];
  });
  await each(writes, (write) => store(kv, ...write));
  return success({ successful_key_count: writes.length, unsuccessful_keys: [] });
}

async function deleteMany(kv, names) {
  await each(names, (name) => kv.delete(key(encodeURIComponent(name))));
  return success({ successful_key_count: names.length, unsuccessful_keys: [] });
}

async function each(all, work) {
  for (let at = 0; at < all.length; at += AT_ONCE) await Promise.all(all.slice(at, at + AT_ONCE).map(work));
}
