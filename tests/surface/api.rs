//! The public API, as the sources have it: each item that `lib.rs` lets out, with its signatures.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem, Type, UseTree};

use super::{
    is_kept,
    source::{Module, attributes, is_for_tests, is_hidden, is_public, modules, text, tidy},
};

#[test]
fn public_api_is_as_it_was_kept() {
    let lines: Vec<String> = api(&modules()).into_values().flatten().collect();
    assert!(lines.len() > 500, "only {} lines", lines.len());
    is_kept("api.txt", &(lines.join("\n") + "\n"));
}

/// The control: a planted change of each kind changes the list.
#[test]
fn planted_change_is_seen() {
    let source = "pub use a::{E, F, S, T}; mod a { pub struct S { pub x: u8, y: u8 } pub enum E { A, B(u8) } pub trait T { fn t(); }
        pub fn F(x: u8) {} impl S { pub fn new(x: u8) -> Self { S } pub(crate) fn not(x: u8) {} fun!(); } impl Clone for S {}
        macro_rules! fun { () => { pub fn made(x: u8) -> u8 { 0 } } } }";
    let listed = |source: &str| {
        let items = syn::parse_file(source).unwrap().items;
        let inner = items.iter().find_map(|item| match item {
            Item::Mod(module) => Some(module.content.as_ref().unwrap().1.clone()),
            _ => None,
        });
        api(&[Module { path: String::new(), items }, Module { path: "a".into(), items: inner.unwrap() }])
    };
    let before = listed(source);
    for (from, to) in [
        ("pub x: u8", "pub x: u16"),
        ("pub x: u8", "x: u8"),
        ("B(u8)", "B(u16)"),
        ("B(u8)", "C"),
        ("fn t()", "fn t(&self)"),
        ("F(x: u8)", "F(x: u16)"),
        ("new(x: u8)", "new(x: u16)"),
        ("pub(crate) fn not", "pub fn not"),
        ("impl Clone for S {}", ""),
        ("made(x: u8)", "made(x: u16)"),
        ("{E, F, S, T}", "{E, F, S}"),
        ("pub struct S", "#[non_exhaustive] pub struct S"),
        ("pub fn new", "#[cfg(feature = \"x\")] pub fn new"),
    ] {
        assert!(source.contains(from));
        assert_ne!(listed(&source.replacen(from, to, 1)), before, "{from} -> {to}");
    }
    assert_eq!(listed(&source.replace("y: u8", "y: u16").replace("not(x: u8)", "not(x: u16)")), before);
}

/// The lines of each item, by its path.
pub(crate) fn api(modules: &[Module]) -> BTreeMap<String, Vec<String>> {
    let root = modules.iter().find(|module| module.path.is_empty()).unwrap();
    let mut found = BTreeMap::new();
    exported(root, "blindcache", modules, &mut found);
    found
}

/// What a module lets out: what it re-exports, its own public items, and its public modules.
fn exported(module: &Module, as_path: &str, modules: &[Module], found: &mut BTreeMap<String, Vec<String>>) {
    let below = |name: &str| match module.path.as_str() {
        "" => name.to_owned(),
        path => format!("{path}::{name}"),
    };
    for item in &module.items {
        match item {
            Item::Use(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => {
                for path in paths(&it.tree) {
                    let (place, name) = path.rsplit_once("::").unwrap();
                    let as_name = format!("{as_path}::{name}");
                    let own = place.split("::").next().unwrap();
                    if modules.iter().any(|module| module.path == below(own)) {
                        let lines = described(&below(place), name, &as_name, &attributes(&it.attrs), modules);
                        found.insert(as_name, lines);
                    } else {
                        found.insert(as_name, vec![format!("{}pub use {path}", attributes(&it.attrs))]);
                    }
                }
            }
            Item::Mod(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => {
                let inner =
                    modules.iter().find(|module| module.path == below(&it.ident.to_string())).unwrap();
                let as_name = format!("{as_path}::{}", it.ident);
                found.insert(as_name.clone(), vec![format!("{}pub mod {as_name}", attributes(&it.attrs))]);
                exported(inner, &as_name, modules, found);
            }
            _ => {
                if let Some((name, hidden)) = public_name(item).filter(|_| !module.path.is_empty())
                    && !hidden
                {
                    let as_name = format!("{as_path}::{name}");
                    let lines = described(&module.path, &name, &as_name, "", modules);
                    found.insert(as_name, lines);
                }
            }
        }
    }
}

/// The paths that a `use` names, without `self` before them.
fn paths(tree: &UseTree) -> Vec<String> {
    match tree {
        UseTree::Path(step) if step.ident == "self" => paths(&step.tree),
        UseTree::Path(step) => {
            paths(&step.tree).into_iter().map(|rest| format!("{}::{rest}", step.ident)).collect()
        }
        UseTree::Group(group) => group.items.iter().flat_map(paths).collect(),
        UseTree::Name(name) => vec![name.ident.to_string()],
        UseTree::Rename(_) | UseTree::Glob(_) => panic!("this test knows no `as` and no `*`"),
    }
}

fn public_name(item: &Item) -> Option<(String, bool)> {
    let (visibility, name, attributes) = match item {
        Item::Struct(it) => (&it.vis, &it.ident, &it.attrs),
        Item::Enum(it) => (&it.vis, &it.ident, &it.attrs),
        Item::Trait(it) => (&it.vis, &it.ident, &it.attrs),
        Item::Fn(it) => (&it.vis, &it.sig.ident, &it.attrs),
        Item::Type(it) => (&it.vis, &it.ident, &it.attrs),
        Item::Const(it) => (&it.vis, &it.ident, &it.attrs),
        _ => return None,
    };
    is_public(visibility).then(|| (name.to_string(), is_hidden(attributes)))
}

/// The lines of the item with this name at this place or, where that re-exports it, below it.
fn described(place: &str, name: &str, as_name: &str, before: &str, modules: &[Module]) -> Vec<String> {
    let inside = |path: &str| path == place || path.starts_with(&format!("{place}::"));
    let candidates: Vec<&Item> = modules
        .iter()
        .filter(|module| inside(&module.path))
        .flat_map(|module| &module.items)
        .filter(|item| public_name(item).is_some_and(|(found, _)| found == name))
        .collect();
    let [item] = candidates[..] else { panic!("{} items are called {name} in {place}", candidates.len()) };
    let mut lines = of_item(item, as_name);
    lines[0].insert_str(0, before);
    let room = place.split("::").next().unwrap();
    let mut further: Vec<String> = modules
        .iter()
        .filter(|module| {
            module.path.is_empty()
                || module.path.split("::").next() == Some(room)
                || module.path.starts_with("config")
        })
        .flat_map(|module| module.items.iter())
        .filter_map(|item| match item {
            Item::Impl(it) if !is_for_tests(&it.attrs) && concerns(it, name) => Some(it),
            _ => None,
        })
        .flat_map(|it| of_impl(it, modules))
        .collect();
    further.sort();
    lines.extend(further.into_iter().map(|line| format!("    {line}")));
    lines
}

/// Whether an impl is one of this type, or of this trait for something that has no lines of its own.
fn concerns(it: &ItemImpl, name: &str) -> bool {
    let of = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == name);
    let of_type = matches!(&*it.self_ty, Type::Path(path) if of(&path.path));
    let bare = it.generics.type_params().any(|parameter| parameter.ident == text(&it.self_ty));
    let foreign = text(&it.self_ty).starts_with("Arc<");
    of_type || (bare || foreign) && it.trait_.as_ref().is_some_and(|(path, _)| of(path))
}

fn of_item(item: &Item, as_name: &str) -> Vec<String> {
    let head = |attrs: &[Attribute], kind: &str, generics: &syn::Generics| {
        format!(
            "{}pub {kind} {as_name}{} {}",
            attributes(attrs),
            text(generics),
            text(&generics.where_clause)
        )
        .trim_end()
        .to_owned()
    };
    match item {
        Item::Struct(it) => {
            let mut lines = vec![head(&it.attrs, "struct", &it.generics)];
            lines.extend(fields(&it.fields, true).into_iter().map(|field| format!("    {field}")));
            lines
        }
        Item::Enum(it) => {
            let mut lines = vec![head(&it.attrs, "enum", &it.generics)];
            lines.extend(it.variants.iter().map(|variant| format!("    {}", of_variant(variant))));
            lines
        }
        Item::Trait(it) => {
            let mut lines =
                vec![format!("{}: {}", head(&it.attrs, "trait", &it.generics), text(&it.supertraits))];
            lines.extend(it.items.iter().map(|item| match item {
                TraitItem::Fn(it) => {
                    let provided = if it.default.is_some() { " { … }" } else { "" };
                    format!("    {}{}{provided}", attributes(&it.attrs), text(&it.sig))
                }
                other => format!("    {}", text(other)),
            }));
            lines
        }
        Item::Fn(it) => {
            let signature = text(&it.sig).replacen(&it.sig.ident.to_string(), as_name, 1);
            vec![format!("{}pub {signature}", attributes(&it.attrs))]
        }
        Item::Type(it) => vec![format!("pub type {as_name}{} = {}", text(&it.generics), text(&it.ty))],
        Item::Const(it) => vec![format!("pub const {as_name}: {} = {}", text(&it.ty), text(&it.expr))],
        _ => unreachable!("it has a public name"),
    }
}

fn of_variant(variant: &syn::Variant) -> String {
    let (before, name) = (attributes(&variant.attrs), &variant.ident);
    let inside = fields(&variant.fields, false).join(", ");
    match &variant.fields {
        Fields::Unit => format!("{before}{name}"),
        Fields::Unnamed(_) => format!("{before}{name}({inside})"),
        Fields::Named(_) => format!("{before}{name} {{ {inside} }}"),
    }
}

/// The fields that can be named; of a variant all can.
fn fields(fields: &Fields, of_struct: bool) -> Vec<String> {
    let seen = fields.iter().filter(|field| !of_struct || is_public(&field.vis));
    seen.map(|field| {
        let name = field.ident.as_ref().map_or(String::new(), |name| format!("{name}: "));
        format!("{}{name}{}", attributes(&field.attrs), text(&field.ty))
    })
    .collect()
}

/// The lines of an impl: what it implements, or the functions and constants that it adds.
fn of_impl(it: &ItemImpl, modules: &[Module]) -> Vec<String> {
    let around = attributes(&it.attrs);
    let generics =
        format!("{} {}", text(&it.generics), text(&it.generics.where_clause)).trim_end().to_owned();
    if let Some((path, _)) = &it.trait_ {
        return vec![format!("{around}impl{generics} {} for {}", text(path), text(&it.self_ty))];
    }
    let within = if generics.is_empty() { String::new() } else { format!("impl{generics}: ") };
    let mut lines = Vec::new();
    for item in &it.items {
        let line = match item {
            ImplItem::Fn(it) if is_public(&it.vis) && !is_hidden(&it.attrs) && !is_for_tests(&it.attrs) => {
                format!("{}pub {}", attributes(&it.attrs), text(&it.sig))
            }
            ImplItem::Const(it) if is_public(&it.vis) => {
                format!("pub const {}: {} = {}", it.ident, text(&it.ty), text(&it.expr))
            }
            ImplItem::Macro(it) => {
                let name = &it.mac.path.segments.last().unwrap().ident;
                lines.extend(
                    of_macro(&name.to_string(), modules)
                        .into_iter()
                        .map(|line| format!("{around}{within}{line}")),
                );
                continue;
            }
            _ => continue,
        };
        lines.push(format!("{around}{within}{line}"));
    }
    lines
}

/// The public functions that a macro of the library writes, up to their bodies.
fn of_macro(name: &str, modules: &[Module]) -> Vec<String> {
    let tokens = modules.iter().flat_map(|module| &module.items).find_map(|item| match item {
        Item::Macro(it) if it.ident.as_ref().is_some_and(|ident| ident == name) => {
            Some(it.mac.tokens.clone())
        }
        _ => None,
    });
    let mut lines = Vec::new();
    signatures(tokens.unwrap_or_else(|| panic!("no macro {name}")), &mut lines);
    lines
}

fn signatures(tokens: TokenStream, lines: &mut Vec<String>) {
    let mut signature: Option<TokenStream> = None;
    for token in tokens {
        match (&token, &mut signature) {
            (TokenTree::Group(body), Some(signature_so_far)) if body.delimiter() == Delimiter::Brace => {
                lines.push(tidy(&signature_so_far.to_string()));
                signature = None;
            }
            (_, Some(signature)) => signature.extend([token]),
            (TokenTree::Ident(word), None) if word == "pub" => signature = Some(TokenStream::from(token)),
            (TokenTree::Group(group), None) => signatures(group.stream(), lines),
            _ => {}
        }
    }
}
