//! What the tests against real servers share: starting servers, and proxies that misbehave.
