//! The library's sources as syntax trees.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quote::ToTokens;
use syn::{Attribute, Item, Meta, Visibility};

/// A module of the library.
pub(crate) struct Module {
    /// Its path below the crate: `backend::redis`.
    pub(crate) path: String,
    pub(crate) items: Vec<Item>,
}

/// Every module, those in other files too, but what is for the library's own tests.
pub(crate) fn modules() -> Vec<Module> {
    let mut found = Vec::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    gather("", file(&src.join("lib.rs")), &src, &mut found);
    found
}

fn file(path: &Path) -> Vec<Item> {
    syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap().items
}

fn gather(path: &str, items: Vec<Item>, folder: &Path, found: &mut Vec<Module>) {
    for item in &items {
        let Item::Mod(module) = item else { continue };
        // Where a path is given, the module stands in for a feature that is off.
        if is_for_tests(&module.attrs) || module.attrs.iter().any(|it| it.path().is_ident("path")) {
            continue;
        }
        let name = module.ident.to_string();
        let inner = if path.is_empty() { name.clone() } else { format!("{path}::{name}") };
        let below = folder.join(&name);
        match &module.content {
            Some((_, items)) => gather(&inner, items.clone(), &below, found),
            None => {
                let choices: [PathBuf; 2] = [folder.join(format!("{name}.rs")), below.join("mod.rs")];
                let place = choices.into_iter().find(|place| place.exists()).unwrap();
                gather(&inner, file(&place), &below, found);
            }
        }
    }
    found.push(Module { path: path.to_owned(), items });
}

/// Whether it is compiled for the library's own tests alone.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| text(&list.tokens).split(' ').any(|it| it == "test"))
    })
}

/// Whether it is left out of the documentation, and so of what users may rely on.
pub(crate) fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("doc") && text(&list.tokens) == "hidden",
        _ => false,
    })
}

pub(crate) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// What a user sees of the attributes: the features, what is derived, whether there may be more.
pub(crate) fn attributes(attributes: &[Attribute]) -> String {
    let seen = ["cfg", "derive", "from", "must_use", "non_exhaustive", "default"];
    let seen = attributes.iter().filter(|attribute| seen.iter().any(|it| attribute.path().is_ident(it)));
    seen.map(|attribute| format!("{} ", text(attribute))).collect()
}

/// Tokens as they are written.
pub(crate) fn text(tokens: &impl ToTokens) -> String {
    tidy(&tokens.to_token_stream().to_string())
}

pub(crate) fn tidy(tokens: &str) -> String {
    let mut text = tokens.split_whitespace().collect::<Vec<_>>().join(" ");
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        ("< ", "<"),
        (" ,", ","),
        (", )", ")"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        ("& ", "&"),
        (" : ", ": "),
        (" ;", ";"),
        ("# [", "#["),
        ("- >", "->"),
        (")->", ") ->"),
        (",)", ")"),
        ("=(", "= ("),
    ] {
        text = text.replace(from, to);
    }
    text
}
