//! Everything that works, and what does not, over files: nothing marked is in their names or contents, in an error, a
//! `Debug` or the log. The path of the directory is in `Debug` by design, and nowhere else.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use blindcache::{Backend as _, FileBackend, FileBuilder, StoreKey, Swept};
use blindcache_server_tests::{Files, Store, entry};

use crate::{
    LEFT, MINUTE,
    case::Case,
    failures,
    journal::Log,
    keyring,
    marks::Marks,
    remains::{self, Place},
    route,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_marked_is_shown_by_files() {
    let log = Log::of_process();
    let mut case = Case::default();
    let masters = ["the sealing key", "the accepted key", "the naming key"].map(|what| case.master(what));
    let keys = keyring(&masters, &mut case);
    let mut paths = Marks::default();
    let files = Files::start().await;
    let dir = files.path().join(paths.text("the directory"));

    case.show((FileBackend::BYTES, FileBackend::ENTRY, FileBackend::TIMEOUT));
    case.show((FileBackend::SWEEP_INTERVAL, FileBackend::SWEEP_STEP));
    let builder: FileBuilder = FileBackend::builder(&dir).timeout(MINUTE);
    route(builder.build().unwrap(), &keys, &masters, &mut case).await;
    let builder = FileBackend::builder(&dir).timeout(MINUTE).max_bytes(1 << 30).max_entry(64 << 20);
    let builder = case.show(builder.sweep_interval(Duration::from_millis(1)));
    let backend = builder.build().unwrap();
    route(backend.clone(), &keys, &masters, &mut case).await;
    let swept: Swept = case.show(backend.sweep().await.unwrap());
    assert_eq!(swept.entries, 2 * LEFT as u64);

    let (control, canary) = remains::control(&mut case);
    fs::write(dir.join("control"), canary).unwrap();
    let mut held = files.contents().await;
    // The directory's own name is not of the library.
    let own = dir.file_name().unwrap().as_encoded_bytes();
    let at = held.windows(own.len()).position(|it| it == own).unwrap();
    held.drain(at..at + own.len());
    let names = remains::names(&held);
    assert_eq!(names.len(), 2 * LEFT);
    spoilt(&dir, &backend, &names, &mut case).await;
    let names = remains::marks_of(&names);
    failing(&dir, &mut case).await;

    let shown_of_paths = paths.find(case.shown.as_bytes()).is_some();
    assert!(shown_of_paths, "no Debug has the directory");
    let logged = log.text();
    assert!(paths.find(&logged).is_none() && paths.find(&held).is_none());
    let places = vec![
        Place { what: "the files", text: held, named: true },
        Place { what: "the log", text: logged, named: false },
    ];
    remains::nothing_is_found(case, &names, &control, places);
}

/// Entries in whose place something else stands: marked text, or a directory with it in its name.
async fn spoilt(dir: &Path, backend: &FileBackend, names: &BTreeSet<String>, case: &mut Case) {
    let text = case.text("what another wrote");
    let mut refusals = 0;
    for (number, name) in names.iter().enumerate() {
        let [first, second] = [3, 4].map(|at| &name[at..=at]);
        let path = dir.join(first).join(second).join(name);
        if !path.exists() {
            continue; // with a prefix
        }
        fs::remove_file(&path).unwrap();
        match number % 2 {
            0 => fs::write(&path, text.repeat(20)).unwrap(),
            _ => fs::create_dir_all(path.join(&text)).unwrap(),
        }
        let key = case.show(StoreKey::parse(name).unwrap());
        assert_eq!(case.show(backend.get(&key).await.ok().flatten()), None);
        case.outcome(backend.exists(&key).await);
        let set = backend.set(&key, entry(1, 200), None).await;
        refusals += usize::from(set.is_err());
        case.outcome(set);
        case.outcome(backend.delete(&key).await);
    }
    assert!(refusals > 0, "nothing was in the way");
    case.outcome(backend.sweep().await);
}

/// Settings that cannot work, directories that are none or not safe, and entries that are something else.
async fn failing(dir: &Path, case: &mut Case) {
    for builder in [
        FileBackend::builder(""),
        FileBackend::builder(dir).timeout(Duration::ZERO),
        FileBackend::builder(dir).sweep_interval(Duration::ZERO),
        FileBackend::builder(dir).max_bytes(1),
        FileBackend::builder(dir).max_entry(0),
    ] {
        case.show(&builder);
        case.refused(builder.build());
    }
    case.refused(FileBackend::new(""));

    let link = dir.with_extension("link");
    std::os::unix::fs::symlink(dir, &link).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
    for unsafe_or_none in [dir, &link, &dir.join("control")] {
        let backend = FileBackend::new(unsafe_or_none).unwrap();
        let (all, failed) = failures::every_call(backend.clone(), case).await;
        assert_eq!(all, failed);
        case.refused(backend.sweep().await);
    }
    let nowhere = FileBackend::new("/proc/none").unwrap(); // where nothing can be made, so that reads are misses
    let (_, failed) = failures::every_call(nowhere, case).await;
    assert!(failed > 0);
}
