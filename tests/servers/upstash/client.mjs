// The official client against the server at UPSTASH_REDIS_REST_URL, with UPSTASH_REDIS_REST_TOKEN.
// PACKAGES is the folder with its node_modules. Ends with an error where the server is not as Upstash.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { Redis } = createRequire(`${process.env.PACKAGES}/`)("@upstash/redis");
const url = process.env.UPSTASH_REDIS_REST_URL;
const token = process.env.UPSTASH_REDIS_REST_TOKEN;
const options = { url, token, automaticDeserialization: false, enableTelemetry: false, retry: false };
const base64 = new Redis(options); // its default
const plain = new Redis({ ...options, responseEncoding: false });
const single = new Redis({ ...options, enableAutoPipelining: false });

// Whatever a string of JavaScript can hold, but for halves of surrogates, which no JSON carries.
const values = [
  "plain",
  "OK",
  "",
  "\u0000\u0001\r\n$-1\r\n",
  "\"\\/'`<>&%25+ ?=#",
  "\u00ff\u0100\ud7ff\ue000\ufffd\uffff",
  "😀 \u{10ffff}",
  Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join(""),
  "x".repeat(300_000),
];

let checks = 0;
const equal = (found, expected) => {
  assert.deepEqual(found, expected);
  checks += 1;
};

for (const client of [base64, plain, single]) {
  for (const value of values) {
    equal(await client.set("key", value), "OK");
    equal(await client.get("key"), value);
    equal(await client.exists("key", "other"), 1);
    equal(await client.strlen("key"), Buffer.byteLength(value));
    equal(await client.del("key"), 1);
    equal(await client.del("key"), 0);
    equal(await client.unlink("key"), 0);
    equal(await client.get("key"), null);
    equal(await client.exists("key"), 0);
  }

  equal(await client.set("key", "value", { px: 60_000 }), "OK");
  const left = await client.pttl("key");
  equal(left > 50_000 && left <= 60_000, true);
  equal(await client.set("key", "other", { nx: true }), null);

  for (const batch of [() => client.pipeline(), () => client.multi()]) {
    const writes = batch();
    values.forEach((value, at) => writes.set(`key${at}`, value, { ex: 60 }));
    equal(await writes.exec(), values.map(() => "OK"));
    const reads = batch();
    values.forEach((_, at) => reads.get(`key${at}`));
    reads.get("missing").exists("key0", "key1").mget("key0", "missing");
    equal(await reads.exec(), [...values, null, 2, [values[0], null]]);
    const removes = batch();
    values.forEach((_, at) => removes.del(`key${at}`));
    equal(await removes.del("missing").exec(), [...values.map(() => 1), 0]);
  }

  equal(await client.ping(), "PONG");
  await assert.rejects(client.incr("key"), /ERR value is not an integer/);
  await assert.rejects(client.pipeline().set("a", "b").incr("a").exec(), /ERR value is not an integer/);
  const kept = await client.pipeline().incr("a").get("a").exec({ keepErrors: true });
  equal(kept[0].error, "ERR value is not an integer or out of range");
  equal(kept[1].result, "b");
  await assert.rejects(client.multi().set("a", "b").exec().then(() => client.multi().lpush("a").exec()), /ERR|EXECABORT/);
  checks += 3;
}

const stranger = new Redis({ ...options, token: "another" });
await assert.rejects(stranger.get("key"), /WRONGPASS/);
await assert.rejects(stranger.pipeline().get("key").exec(), /WRONGPASS/);
checks += 2;

console.log(`${checks} checks`);
