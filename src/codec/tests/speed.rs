use super::*;
use std::{hint::black_box, time::Instant};
fn time<R>(mut f: impl FnMut() -> R) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..8 {
        let start = Instant::now();
        let mut n = 0u32;
        while start.elapsed().as_micros() < 4_000 {
            for _ in 0..4 {
                black_box(f());
            }
            n += 4;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(n));
    }
    best
}
#[derive(Serialize, Deserialize)]
struct Row {
    id: u64,
    email: String,
    name: String,
    created: i64,
    score: f64,
    active: bool,
    tags: Vec<String>,
    address: Address,
    note: Option<String>,
}
#[derive(Serialize, Deserialize)]
struct Address {
    street: String,
    city: String,
    zip: String,
    country: String,
}
fn row(n: u64) -> Row {
    Row {
        id: n * 7919,
        email: format!("user{n}@example.com"),
        name: format!("Zoë Müller {n}"),
        created: 1_700_000_000_000 + n as i64,
        score: n as f64 / 3.0,
        active: n % 2 == 0,
        tags: vec!["customer".into(), "newsletter".into(), "beta".into()],
        address: Address {
            street: format!("{n} Long Street Name"),
            city: "Gothenburg".into(),
            zip: "41101".into(),
            country: "SE".into(),
        },
        note: Some("prefers to be contacted in the morning, by phone; has a large dog in the yard".into()),
    }
}
fn plain<T: DeserializeOwned>(p: &[u8]) -> T {
    rmp_serde::from_slice(p).unwrap()
}
#[test]
fn speed() {
    macro_rules! line { ($name:expr, $value:expr, $t:ty) => {{
        let v: $t = $value; let p = encoded(&v);
        let (c, d) = (time(|| check(black_box(&p))), time(|| plain::<$t>(black_box(&p))));
        let (d2, e) = (time(|| decode::<$t>(black_box(&p)).unwrap()), time(|| { let mut o = Vec::with_capacity(p.len()); encode(black_box(&v), &mut o).unwrap(); o }));
        println!("{:24} {:8} B check {c:10.0} ns, rmp decode {d:10.0}, ratio {:.3}; decode() {d2:10.0} = {:.3}; encode {e:10.0}", $name, p.len(), c / d, d2 / d);
    }}}
    line!("struct", row(12345), Row);
    line!("1000 rows", (0..1000).map(row).collect::<Vec<_>>(), Vec<Row>);
    line!("1000 ints", (0..1000u64).map(|n| n * n * n).collect::<Vec<_>>(), Vec<u64>);
    line!("string 64K", "x".repeat(65536), String);
    line!("map 1000", (0..1000u32).map(|n| (format!("key{n}"), n)).collect::<BTreeMap<_,_>>(), BTreeMap<String, u32>);
    let mut seed = 1u64;
    for n in [1024usize, 16384, 1 << 20] {
        let bytes: Vec<u8> = (0..n)
            .map(|_| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (seed >> 56) as u8
            })
            .collect();
        let bb = serde_bytes::ByteBuf::from(bytes.clone());
        let e = |v: &dyn Fn(&mut Vec<u8>)| {
            time(|| {
                let mut o = Vec::with_capacity(2 * n);
                v(&mut o);
                o
            })
        };
        let (ev, eb) = (e(&|o| encode(&bytes, o).unwrap()), e(&|o| encode(&bb, o).unwrap()));
        let (pv, pb) = (encoded(&bytes), encoded(&bb));
        let (dv, db) =
            (time(|| decode::<Vec<u8>>(&pv).unwrap()), time(|| decode::<serde_bytes::ByteBuf>(&pb).unwrap()));
        println!(
            "Vec<u8> {n}: encode {ev:.0} vs {eb:.0} = {:.0}x; decode {dv:.0} vs {db:.0} = {:.0}x; both {:.0}x; size {:.2}x",
            ev / eb,
            dv / db,
            (ev + dv) / (eb + db),
            pv.len() as f64 / pb.len() as f64
        );
    }
    use crate::key::Key;
    println!("key &str {:.0} ns", time(|| black_box("user:42").to_cache_key().unwrap()));
    println!("key tuple {:.0} ns", time(|| black_box(("user", 42u64)).to_cache_key().unwrap()));
    println!(
        "key struct {:.0} ns",
        time(|| black_box(&Address {
            street: String::new(),
            city: String::new(),
            zip: String::new(),
            country: String::new()
        })
        .to_cache_key()
        .unwrap())
    );
    println!(
        "rmp tuple {:.0} ns",
        time(|| {
            let mut o = Vec::with_capacity(64);
            encode(&black_box(("user", 42u64)), &mut o).unwrap();
            o
        })
    );
}
