//! Every backend that needs no server keeps the contract of `Backend`.

use std::sync::Arc;

use blindcache::{
    AnyBackend, MemoryBackend,
    conformance::{Expiry, Failure, Subject, run_all},
};

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract() -> Result<(), Failure> {
    run_all(&Subject::new(Expiry::Exact, || async { MemoryBackend::new() })).await
}

#[tokio::test(start_paused = true)]
async fn arc_keeps_the_contract() -> Result<(), Failure> {
    run_all(&Subject::new(Expiry::Exact, || async { Arc::new(MemoryBackend::new()) })).await
}

#[tokio::test(start_paused = true)]
async fn any_backend_keeps_the_contract() -> Result<(), Failure> {
    run_all(&Subject::new(Expiry::Exact, || async { AnyBackend::new(MemoryBackend::new()) })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract_on_threads_and_in_real_time() -> Result<(), Failure> {
    let shared = MemoryBackend::new();
    let subject = Subject::new(Expiry::Exact, move || std::future::ready(shared.clone()));
    tokio::spawn(async move { run_all(&subject).await }).await.expect("no panic")
}
