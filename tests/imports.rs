//! Who may import whom. `TABLE` is the rule, and CONTRIBUTING.md gives its reasons.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemStruct, ItemUse, Macro, UseTree,
    visit::{self, Visit},
};

/// How much of a room another may name.
#[derive(Clone, Copy)]
enum Reach {
    All,
    /// These names of the room itself, nothing of the files in it.
    Only(&'static [&'static str]),
}

use Reach::{All, Only};

const TRAIT: Reach = Only(&["Backend", "AnyBackend", "Write"]);
const BLINDED: Reach = Only(&["StoreKey", "Sealed"]);
const CRYPTO_TYPES: Reach =
    Only(&["KeyId", "Keyring", "MasterKey", "Padding", "StoreKey", "Sealed", "TenantKeys"]);

/// Who may import whom: a room, and the rooms that it may name besides itself and `FOR_ALL`.
const TABLE: &[(&str, &[(&str, Reach)])] = &[
    ("error", &[]),
    ("clock", &[]),
    ("sync", &[]),
    ("metrics", &[("crypto", Only(&["KeyId"]))]),
    ("key", &[]),
    ("codec", &[]),
    ("crypto", &[("key", All)]),
    ("backend", &[("crypto", BLINDED)]),
    ("layer", &[("backend", TRAIT), ("crypto", BLINDED)]),
    ("encrypted", &[("backend", TRAIT), ("crypto", All), ("codec", All), ("key", All)]),
    ("cache", &[("encrypted", All), ("backend", TRAIT), ("crypto", CRYPTO_TYPES), ("key", All)]),
    ("conformance", &[("backend", TRAIT), ("crypto", All)]),
    (
        "testing",
        &[
            // Of the stores what their `fuzz.rs` has, beside the parsers that it is about.
            (
                "backend",
                Only(&[
                    "Backend",
                    "AnyBackend",
                    "Write",
                    "MemoryBackend",
                    "cloudflare_kv",
                    "dynamodb",
                    "file",
                    "memcached",
                    "redis",
                    "upstash",
                    "web",
                ]),
            ),
            ("cache", Only(&["Hit"])),
            ("config", Only(&["fuzz"])),
            ("crypto", All),
            ("codec", All),
            ("key", All),
            ("encrypted", All),
        ],
    ),
    ("attribute", &[("cache", All), ("key", All)]),
    (
        "config",
        &[
            ("backend", All),
            ("layer", Only(&["BackendExt"])),
            ("encrypted", Only(&["EncryptedBackend"])),
            ("cache", All),
            ("crypto", All),
            ("key", All),
        ],
    ),
];

/// The rooms that every other may name.
const FOR_ALL: &[&str] = &["error", "clock", "metrics", "sync"];

/// Whether a file of the module `from` may name the path `to`, both without `crate`.
fn may(from: &[String], to: &[String]) -> Result<(), String> {
    let room = from.first().map_or("", String::as_str);
    let Some((_, arrows)) = TABLE.iter().find(|(name, _)| *name == room) else {
        return Err(format!("`{room}` is no room"));
    };
    let Some((target, inside)) = to.split_first() else {
        return Err("the whole crate".into());
    };
    let reach = if target == room {
        own(from)
    } else if FOR_ALL.contains(&target.as_str()) {
        All
    } else {
        let arrow = arrows.iter().find(|(name, _)| name == target);
        arrow.ok_or_else(|| format!("{room} -> {target}"))?.1
    };
    let same_file = to.starts_with(&from[..from.len().min(2)]);
    let named = inside.first().map_or("", String::as_str);
    match reach {
        All => Ok(()),
        Only(_) if target == room && same_file => Ok(()),
        Only(names) if names.contains(&named) => Ok(()),
        Only(_) => Err(format!("{} -> {target}::{named}", from.join("::"))),
    }
}

/// What a file may name of its own room: one backend never imports another, but what several of them share.
fn own(from: &[String]) -> Reach {
    if from.len() > 1 && from[0] == "backend" {
        Only(&["Backend", "AnyBackend", "Write", "pause", "socket", "tls", "web"])
    } else {
        All
    }
}

/// Every path of one file that begins with `crate`, `super` or `self`, outside tests.
struct Paths {
    /// The module of the place that is visited.
    module: Vec<String>,
    /// Modules in other files, where `#[path]` says that they are, and whether they stand in `#[cfg(test)]`.
    files: Vec<(String, Option<String>, bool)>,
    found: Vec<(Vec<String>, Vec<String>)>,
    in_testing: bool,
}

impl Paths {
    fn of(module: &[&str], source: &str) -> Self {
        let module = module.iter().map(ToString::to_string).collect();
        let mut paths = Self { module, files: Vec::new(), found: Vec::new(), in_testing: false };
        paths.visit_file(&syn::parse_file(source).unwrap());
        paths
    }

    fn add(&mut self, path: &[String]) {
        let mut at = self.module.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => at.clear(),
            Some("super" | "self") => {}
            _ => return,
        }
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "super" => drop(at.pop()),
                "crate" | "self" => {}
                _ => break,
            }
            rest = tail;
        }
        at.extend_from_slice(rest);
        // What is compiled for tests alone may name the tools for tests.
        if !(self.in_testing && at.first().is_some_and(|room| room == "testing")) {
            self.found.push((self.module.clone(), at));
        }
    }

    fn add_tree(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.add_tree(&step.tree, path);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree, path.clone())),
            UseTree::Glob(_) => self.add(&[path, vec!["*".into()]].concat()),
            UseTree::Name(name) => self.add(&[path, vec![name.ident.to_string()]].concat()),
            UseTree::Rename(name) => self.add(&[path, vec![name.ident.to_string()]].concat()),
        }
    }

    /// Visits what has these attributes, unless it is compiled for this crate's own tests alone.
    fn guarded(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self)) {
        if is_cfg(attributes, "test") {
            return;
        }
        let outside = self.in_testing;
        self.in_testing |= is_cfg(attributes, "feature = \"testing\"");
        visit(self);
        self.in_testing = outside;
    }
}

/// Whether `#[cfg(…)]` with exactly this condition is among them.
fn is_cfg(attributes: &[Attribute], condition: &str) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == condition,
        _ => false,
    })
}

/// What `#[path = "…"]` says.
fn path_of(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_none() {
            self.files.push((item.ident.to_string(), path_of(&item.attrs), is_cfg(&item.attrs, "test")));
        }
        self.guarded(&item.attrs, |paths| {
            paths.module.push(item.ident.to_string());
            visit::visit_item_mod(paths, item);
            paths.module.pop();
        });
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.guarded(&item.attrs, |paths| paths.add_tree(&item.tree, Vec::new()));
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.guarded(&item.attrs, |paths| visit::visit_item_fn(paths, item));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.guarded(&item.attrs, |paths| visit::visit_item_impl(paths, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.guarded(&item.attrs, |paths| visit::visit_impl_item_fn(paths, item));
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.guarded(&item.attrs, |paths| visit::visit_item_struct(paths, item));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let path_of_names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path_of_names.len() > 1 {
            self.add(&path_of_names);
        }
        visit::visit_path(self, path);
    }

    /// A macro's input is no syntax tree yet: take what reads like a path in it.
    fn visit_macro(&mut self, call: &'ast Macro) {
        let text = call.tokens.to_string().replace(char::is_whitespace, "");
        let starts = ["crate::", "super::"].iter().flat_map(|start| text.match_indices(start));
        for (at, _) in starts.filter(|(at, _)| !text[..*at].ends_with("::")) {
            let path =
                text[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next().unwrap();
            self.add(&path.split("::").map(str::to_owned).collect::<Vec<_>>());
        }
        visit::visit_macro(self, call);
    }
}

/// What is wrong with the imports of one file.
fn broken(module: &[&str], source: &str) -> Vec<String> {
    let paths = Paths::of(module, source);
    paths.found.iter().filter_map(|(from, to)| may(from, to).err()).collect()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file that the module tree reaches from `lib.rs`, with its module; of tests only the files, not the module.
fn files() -> Vec<(PathBuf, Option<Vec<String>>)> {
    let mut known = vec![(src().join("lib.rs"), Some(Vec::new()))];
    let mut next = 0;
    while next < known.len() {
        let (file, module) = known[next].clone();
        next += 1;
        let folder = folder_of(&file);
        let names: Vec<&str> = module.iter().flatten().map(String::as_str).collect();
        for (name, path, is_test) in Paths::of(&names, &fs::read_to_string(&file).unwrap()).files {
            let inside =
                module.clone().filter(|_| !is_test).map(|module| [module, vec![name.clone()]].concat());
            let choices = match path {
                Some(path) => vec![file.parent().unwrap().join(path)],
                None => vec![folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")],
            };
            known.push((choices.into_iter().find(|path| path.exists()).unwrap(), inside));
        }
    }
    known
}

/// Where the modules that this file declares lie.
fn folder_of(file: &Path) -> PathBuf {
    match file.file_name().unwrap().to_str().unwrap() {
        "lib.rs" | "mod.rs" => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    }
}

fn on_disk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(on_disk(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_import_is_in_the_table() {
    let mut problems = Vec::new();
    for (file, module) in files() {
        let Some(module) = module.filter(|module| !module.is_empty()) else { continue };
        let names: Vec<&str> = module.iter().map(String::as_str).collect();
        let source = fs::read_to_string(&file).unwrap();
        problems
            .extend(broken(&names, &source).into_iter().map(|what| format!("{}: {what}", file.display())));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_file_is_in_a_room() {
    let reached: BTreeSet<PathBuf> = files().iter().map(|(file, _)| file.clone()).collect();
    for file in on_disk(&src()) {
        assert!(reached.contains(&file), "{} is in no module", file.display());
    }
    for (file, module) in files() {
        let Some(room) = module.and_then(|module| module.first().cloned()) else { continue };
        assert!(TABLE.iter().any(|(name, _)| *name == room), "{} is in no room", file.display());
    }
}

#[test]
fn only_rooms_are_in_the_table() {
    let rooms: Vec<&str> = TABLE.iter().map(|(room, _)| *room).collect();
    let named = TABLE.iter().flat_map(|(_, arrows)| arrows.iter().map(|(target, _)| target));
    for target in named.chain(FOR_ALL) {
        assert!(rooms.contains(target), "{target}");
    }
}

/// The control: planted imports, one for each way to write them, are found.
#[test]
fn a_planted_import_is_found() {
    for (module, source) in [
        ("crypto", "use crate::backend::Backend;"),
        ("crypto::seal", "use crate::{error::Error, cache::{l1::{L1}}};"),
        ("crypto::seal", "use super::super::encrypted::EncryptedBackend;"),
        ("key", "fn f() { let _ = crate::codec::encode(1); }"),
        ("key", "fn f(x: &crate::codec::X) {}"),
        ("key", "impl crate::codec::X for Y {}"),
        ("key", "fn f() { vec![crate::codec::X]; }"),
        ("key", "mod inner { fn f() { super::super::codec::x() } }"),
        ("key", "mod inner { fn f() { vec![super::super::codec::X]; } }"),
        ("codec", "use crate::*;"),
        ("codec", "use crate::{self as all};"),
        ("codec", "use crate::MasterKey;"),
        ("backend::redis", "use crate::backend::memory::MemoryBackend;"),
        ("backend::redis", "use crate::backend::MemoryBackend;"),
        ("backend::redis", "use super::memory::MemoryBackend;"),
        ("backend::redis", "use super::{Backend, file};"),
        ("backend::redis", "use super::*;"),
        ("backend::redis::link", "use super::super::memory::MemoryBackend;"),
        ("backend::redis", "use crate::crypto::TenantKeys;"),
        ("backend::redis", "use crate::crypto::*;"),
        ("layer::retry", "use crate::backend::redis::RedisBackend;"),
        ("cache::l1", "use crate::crypto::seal;"),
        ("conformance", "use crate::encrypted::EncryptedBackend;"),
        ("encrypted", "fn f(clock: &crate::testing::Clock) {}"),
        ("encrypted", "#[cfg(feature = \"redis\")] use crate::backend::RedisBackend;"),
        ("attic", "use crate::error::Error;"),
    ] {
        let module: Vec<&str> = module.split("::").collect();
        assert_eq!(broken(&module, source).len(), 1, "{module:?}: {source}");
    }
}

#[test]
fn imports_of_the_table_are_let_through() {
    for (module, source) in [
        ("crypto", "use crate::{clock::Clock, error::{self, Error}, key::Key, metrics};"),
        (
            "crypto::seal",
            "use super::name::StoreKey; use self::inner::X; mod inner { use super::super::entry; }",
        ),
        ("backend", "pub use self::memory::MemoryBackend; use crate::crypto::{Sealed, StoreKey};"),
        (
            "backend::redis",
            "use super::{Backend, Write}; use self::link::Link; use crate::backend::redis::tls::Tls;",
        ),
        ("backend::redis::link", "use super::{Settings, tls::Tls}; use super::super::Backend;"),
        ("conformance::subject", "use crate::{backend::Write, crypto::name::LOCATOR};"),
        ("key", "#[cfg(test)] mod tests { use crate::codec::X; }"),
        ("key", "#[cfg(test)] fn f() { crate::codec::x() }"),
        ("key", "#[doc = \"see crate::codec::x\"] /** [`x`](crate::codec::x) */ fn f() {}"),
        ("encrypted", "impl X { #[cfg(feature = \"testing\")] fn f(clock: &crate::testing::Clock) {} }"),
    ] {
        let module: Vec<&str> = module.split("::").collect();
        assert_eq!(broken(&module, source), Vec::<String>::new(), "{module:?}: {source}");
    }
}
