// The Worker `beside.mjs` over a namespace that takes one write under a name and is too busy for more, and that cannot
// delete.

import worker from "./beside.mjs";

const written = new Set();

function busy(kv) {
  return {
    get: (name, type) => kv.get(name, type),
    put: async (name, value, options) => {
      if (written.has(name)) throw new Error("KV PUT failed: 429 Too Many Requests");
      written.add(name);
      await kv.put(name, value, options);
    },
    delete: async () => {
      throw new Error("KV DELETE failed: 500 Internal Server Error");
    },
  };
}

export default {
  fetch: (request, env) => worker.fetch(request, { ...env, CACHE: busy(env.CACHE) }),
};
