// Runs one Worker over one KV namespace: node control.mjs SETTINGS, a file of JSON. Writes its port to `ready`.
//
// modules: the folder with node_modules      script: the Worker, in one module       bindings: what it finds in `env`
// namespace: the binding of the namespace    directory: where the namespace is kept  port: 0 for a free one
// key, certificate: PEM, for TLS

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { Miniflare } = createRequire(join(settings.modules, "package.json"))("miniflare");

const worker = new Miniflare({
  host: "127.0.0.1",
  port: settings.port,
  ...(settings.key && { https: true, httpsKey: settings.key, httpsCert: settings.certificate }),
  modules: [{ type: "ESModule", path: "worker.mjs", contents: readFileSync(settings.script, "utf8") }],
  compatibilityDate: "2026-04-01",
  bindings: settings.bindings,
  kvNamespaces: { [settings.namespace]: "entries" }, // one namespace, whatever a Worker calls it
  kvPersist: settings.directory,
  cf: false, // or it asks Cloudflare for what a request's `cf` is to hold
});
const { port } = await worker.ready;
writeFileSync(`${settings.ready}.new`, String(port));
renameSync(`${settings.ready}.new`, settings.ready);

// A test that was killed cannot end this.
const parent = process.ppid;
setInterval(async () => {
  if (process.ppid !== parent) {
    await worker.dispose();
    process.exit();
  }
}, 1000);
