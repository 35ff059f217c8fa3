//! What happens in the child: it takes the secrets, shows that it holds them, does what the scenario says and drops all of it.

use std::{
    fs::File,
    io::{Read, Write},
};

use blindcache::{EncryptedBackend, Keyring, MasterKey, MemoryBackend, TenantKeys};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::{scenarios::Scenario, secrets::VALUE};

/// The secrets as the child has them: its own copies, which it wipes.
pub(crate) struct Given {
    pub(crate) master: Box<Zeroizing<[u8; 32]>>,
    pub(crate) other: Box<Zeroizing<[u8; 32]>>,
    pub(crate) value: Zeroizing<Vec<u8>>,
    pub(crate) acme: EncryptedBackend<MemoryBackend>,
}

/// A value of an application that wipes its own memory.
#[derive(Clone)]
pub(crate) struct Own(pub(crate) Zeroizing<String>);

impl Serialize for Own {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Own {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl Given {
    #[inline(never)]
    fn read(input: &mut File) -> Self {
        let (mut master, mut other) =
            (Box::<Zeroizing<[u8; 32]>>::default(), Box::<Zeroizing<[u8; 32]>>::default());
        let mut value = Zeroizing::new(vec![0; VALUE]);
        input.read_exact(master.as_mut_slice()).unwrap();
        input.read_exact(other.as_mut_slice()).unwrap();
        input.read_exact(&mut value).unwrap();
        let keys = keys(MasterKey::from_bytes(master.as_slice()).unwrap());
        Self { master, other, value, acme: EncryptedBackend::new(MemoryBackend::new(), keys) }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.value).unwrap()
    }

    pub(crate) fn own(&self) -> Own {
        Own(Zeroizing::new(self.text().to_owned()))
    }

    pub(crate) fn master(&self) -> MasterKey {
        MasterKey::from_bytes(self.master.as_slice()).unwrap()
    }

    pub(crate) fn other(&self) -> MasterKey {
        MasterKey::from_bytes(self.other.as_slice()).unwrap()
    }
}

pub(crate) fn keys(master: MasterKey) -> TenantKeys {
    Keyring::new(master).unwrap().tenant("acme").unwrap()
}

/// Shows the parent that everything is in its place, and waits until it has looked.
pub(crate) struct Pause(File);

impl Pause {
    pub(crate) fn here(&mut self) {
        std::io::stdout().write_all(b".").unwrap();
        std::io::stdout().flush().unwrap();
        self.0.read_exact(&mut [0]).unwrap();
    }
}

pub(crate) fn run(scenario: &Scenario) {
    // Not `stdin()`, whose buffer would keep what it read.
    let mut input = File::open("/proc/self/fd/0").unwrap();
    let given = Given::read(&mut input);
    let mut pause = Pause(input);
    pause.here();
    let entry = work(scenario, given, &mut pause);
    let mut out = std::io::stdout();
    out.write_all(b".").unwrap();
    out.write_all(&(entry.len() as u32).to_be_bytes()).unwrap();
    out.write_all(&entry).unwrap();
    out.flush().unwrap();
    pause.0.read_exact(&mut [0]).unwrap();
}

#[inline(never)]
fn work(scenario: &Scenario, given: Given, pause: &mut Pause) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let entry = runtime.block_on(async {
        (scenario.work)(&given, pause).await;
        told(&given).await
    });
    drop(runtime); // and with it what still ran
    entry
}

/// An entry, whose own key must be gone too.
async fn told(given: &Given) -> Vec<u8> {
    let store = MemoryBackend::new();
    let acme = EncryptedBackend::new(store.clone(), keys(given.master()));
    acme.set(crate::secrets::KEY, &given.own(), None).await.unwrap();
    let _: Own = acme.get(crate::secrets::KEY).await.unwrap().unwrap();
    store.entries()[0].1.to_vec()
}
