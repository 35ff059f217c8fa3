//! nginx with Lua over a Redis: the contract with expiry.

use std::{path::Path, time::Duration};

use blindcache::{HttpBackend, conformance::Expiry};

use super::{
    nginx::{INSTALL, Nginx},
    plain,
};
use crate::{Remote, Server, Store};

/// What nginx itself would only say in its log.
const NEEDED: [&str; 2] =
    ["/usr/lib/nginx/modules/ngx_http_lua_module.so", "/usr/share/lua/5.1/nginx/redis.lua"];
const MODULES: &str = "load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;";

/// The contract. A Redis that does not answer is 503.
const SCRIPT: &str = r#"
    local redis = require("nginx.redis"):new()
    redis:set_timeout(1000)
    if not redis:connect("127.0.0.1", REDIS_PORT) then return ngx.exit(503) end
    local function ask(command, ...)
        local answer, err = redis[command](redis, ...)
        if err then return ngx.exit(503) end
        return answer
    end
    local function found(there) return there and ngx.HTTP_NO_CONTENT or ngx.HTTP_NOT_FOUND end

    local key, method, status = ngx.var.uri:match("^/cache/([%w._:-]+)$"), ngx.var.request_method, nil
    if not key then
        status = ngx.HTTP_BAD_REQUEST
    elseif method == "GET" then
        local entry = ask("get", key)
        redis:set_keepalive(10000, 200)
        if entry == ngx.null then return ngx.exit(ngx.HTTP_NOT_FOUND) end
        ngx.header.content_length = #entry
        return ngx.print(entry)
    elseif method == "PUT" then
        ngx.req.read_body()
        local entry, ttl = ngx.req.get_body_data(), ngx.var.arg_ttl
        if ttl then ask("set", key, entry, "EX", ttl) else ask("set", key, entry) end
        status = ngx.HTTP_NO_CONTENT
    elseif method == "DELETE" then
        status = found(ask("del", key) == 1)
    elseif method == "HEAD" then
        status = found(ask("exists", key) == 1)
    else
        status = ngx.HTTP_NOT_ALLOWED
    end
    redis:set_keepalive(10000, 200)
    return ngx.exit(status)
"#;

/// An nginx that keeps entries in a Redis of its own.
pub struct Lua {
    nginx: Nginx,
    pub redis: Server,
}

impl Store for Lua {
    type Backend = HttpBackend;

    const NAME: &'static str = "http";
    const EXPIRY: Expiry = Expiry::AtLeast(Duration::from_secs(1));

    async fn start() -> Self {
        for file in NEEDED {
            assert!(Path::new(file).exists(), "{file} is missing. Install it: {INSTALL}");
        }
        let redis = Server::start();
        let script = SCRIPT.replace("REDIS_PORT", &redis.port.to_string());
        let location = format!("client_body_buffer_size 8m; content_by_lua_block {{ {script} }}");
        Self { nginx: Nginx::start(MODULES, |_| location, None), redis }
    }

    fn backend(&self) -> HttpBackend {
        plain(self.nginx.port).build().unwrap()
    }

    async fn contents(&self) -> Vec<u8> {
        self.redis.contents().await
    }
}

impl Remote for Lua {
    fn port(&self) -> u16 {
        self.nginx.port
    }

    fn impatient(&self, port: u16) -> HttpBackend {
        super::impatient(port)
    }

    async fn stop(&mut self) {
        self.nginx.stop();
        self.redis.stop();
    }

    async fn start_again(&mut self) {
        self.redis.start_again();
        self.nginx.start_again();
    }
}
