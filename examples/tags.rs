//! Invalidating by tag, in one process and in another, without the store ever seeing a tag.
//!
//!     cargo run --example tags

use std::{convert::Infallible, error::Error, time::Duration};

use blindcache::{Cache, EncryptedBackend, Keyring, MasterKey, MemoryBackend};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryBackend::new();
    let key = MasterKey::generate()?.to_text();
    // Two processes over one store; they notice each other's invalidations within 100 ms.
    let process = || -> Result<Cache, Box<dyn Error>> {
        let keys = Keyring::new(MasterKey::parse(&key)?)?;
        let shop = EncryptedBackend::new(store.clone(), keys.tenant("shop")?).namespace("pages")?;
        Ok(Cache::builder(shop).marker_ttl(Duration::from_millis(100)).build()?)
    };
    let (one, other) = (process()?, process()?);

    show(&one, "the first process renders").await?;
    show(&one, "and has them").await?;
    show(&other, "the second gets them from the store").await?;

    println!("\nThe price of apples changes: the first process invalidates \"product:apple\".\n");
    one.invalidate_tag("product:apple").await?;
    show(&one, "the first renders what had apples on it").await?;
    tokio::time::sleep(Duration::from_millis(150)).await;
    show(&other, "the second has noticed").await?;

    println!("\nA new design: clear().\n");
    one.clear().await?;
    show(&one, "all is rendered anew").await?;

    println!("\nThe store holds {} entries, markers included, and no tag in any of them.", store.len());
    let plain = |bytes: &[u8]| bytes.windows(5).any(|window| window == b"apple");
    assert!(!store.entries().iter().any(|(name, entry)| plain(name.as_str().as_bytes()) || plain(entry)));
    Ok(())
}

/// Asks for three pages, and says which were rendered.
async fn show(cache: &Cache, what: &str) -> Result<(), Infallible> {
    let mut rendered = Vec::new();
    for (page, products) in [("start", &["apple", "pear"][..]), ("fruit", &["apple"]), ("imprint", &[])] {
        let tags = products.iter().map(|product| format!("product:{product}"));
        let render = || {
            rendered.push(page);
            async move { Ok::<_, Infallible>(format!("<h1>{page}</h1>")) }
        };
        cache.entry(page).tags(tags).get_or_compute(render).await?;
    }
    println!(
        "{what:40} {}",
        if rendered.is_empty() { "nothing was rendered".into() } else { rendered.join(", ") }
    );
    Ok(())
}
