//! What is cached: a function that can be, with arguments that are in the key or skipped.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{
    Error, FnArg, Ident, Item, ItemFn, Pat, PatIdent, PatType, Receiver, Result, ReturnType, Signature,
    TraitItemFn, Type, TypeImplTrait, Visibility,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{mentions, parse::Arguments};

/// An argument of the function.
pub(crate) struct Argument {
    /// `self`, or what the pattern binds.
    pub(crate) names: Vec<Ident>,
    /// `None` for `self`.
    pub(crate) ty: Option<Type>,
    /// Whether all of its names are skipped.
    pub(crate) skipped: bool,
}

/// The function that stands under the attribute, or why there is none.
pub(crate) fn function(item: TokenStream) -> Result<ItemFn> {
    if let Ok(function) = syn::parse2::<ItemFn>(item.clone()) {
        return Ok(function);
    }
    if let Ok(function) = syn::parse2::<TraitItemFn>(item.clone()) {
        let message =
            "`#[cached]` needs the function's body: put it on an inherent method or a free function";
        return Err(Error::new(function.sig.ident.span(), message));
    }
    match syn::parse2::<Item>(item)? {
        Item::Impl(block) if block.trait_.is_some() => {
            let message = "a trait's methods cannot be cached, since an `impl` of a trait has no room for their \
                           `_key`, `_invalidate` and `_uncached`: put `#[cached]` on an inherent method, and call that";
            Err(Error::new(block.impl_token.span, message))
        }
        other => {
            let message = "`#[cached]` stands on an async function, or on one method of an inherent `impl`";
            Err(Error::new(first(&other), message))
        }
    }
}

fn first(item: &impl ToTokens) -> Span {
    item.to_token_stream().into_iter().next().map_or_else(Span::call_site, |token| token.span())
}

/// The arguments, each in the key or skipped, of a function that can be cached.
pub(crate) fn arguments(function: &ItemFn, given: &Arguments) -> Result<Vec<Argument>> {
    let signature = &function.sig;
    let mut problems = Problems::default();
    qualifiers(signature, &mut problems);
    result(signature, &mut problems);
    let arguments: Vec<Argument> =
        signature.inputs.iter().map(|input| argument(input, given, &mut problems)).collect();
    for name in &given.skip {
        if !arguments.iter().any(|argument| argument.names.contains(name)) {
            problems.add(name.span(), format!("no argument is called `{name}`: leave it out of `skip`"));
        }
    }
    problems.none_or(arguments)
}

/// All that is wrong, so that it is said at once.
#[derive(Default)]
struct Problems(Option<Error>);

impl Problems {
    fn add(&mut self, at: Span, message: impl std::fmt::Display) {
        let error = Error::new(at, message);
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn none_or<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

fn qualifiers(signature: &Signature, problems: &mut Problems) {
    let name = &signature.ident;
    if let Some(token) = &signature.constness {
        problems.add(token.span(), "a `const` function cannot wait for a cache: remove `const`");
    }
    if let Some(token) = &signature.abi {
        problems.add(token.span(), "`#[cached]` is for Rust's own functions: remove `extern`");
    }
    if signature.asyncness.is_none() {
        let message = format!(
            "`#[cached]` is for async functions: write `async fn {name}`, and its result without `impl Future`"
        );
        problems.add(signature.fn_token.span, message);
    }
    if signature.safety.to_token_stream().to_string() == "unsafe" {
        let message = format!(
            "an unsafe function's conditions cannot be kept by `{name}_key` and `{name}_invalidate`: \
             put `#[cached]` on a safe function"
        );
        problems.add(signature.safety.span(), message);
    }
}

fn result(signature: &Signature, problems: &mut Problems) {
    let nothing = "there is no result to cache: return one, or remove `#[cached]`";
    match &signature.output {
        ReturnType::Default => problems.add(signature.ident.span(), nothing),
        ReturnType::Type(_, ty) => match &**ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => problems.add(ty.span(), nothing),
            Type::Never(_) => problems.add(ty.span(), nothing),
            Type::Reference(_) => {
                problems.add(ty.span(), "a reference cannot be cached: return an owned value");
            }
            ty => Opaque(problems).visit_type(ty),
        },
    }
}

/// Finds `impl Trait` in a result.
struct Opaque<'a>(&'a mut Problems);

impl<'ast> Visit<'ast> for Opaque<'_> {
    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        let message = "an `impl Trait` cannot be read back from a store: name the type";
        self.0.add(ty.impl_token.span, message);
    }
}

fn argument(input: &FnArg, given: &Arguments, problems: &mut Problems) -> Argument {
    let (names, ty) = match input {
        FnArg::Receiver(receiver) => (vec![Ident::new("self", receiver.self_token.span)], None),
        FnArg::Typed(typed) => (bound(&typed.pat), Some((*typed.ty).clone())),
    };
    if names.is_empty() {
        let message = "an argument without a name is in no key: give it one, and skip it by that";
        problems.add(input.span(), message);
    }
    for name in &names {
        let skipped = given.skip.contains(name);
        let in_key = given.key.as_ref().map(|key| mentions::variable(key, name));
        match in_key {
            Some(true) if skipped => {
                problems.add(name.span(), format!("`{name}` is in the key and skipped: decide for one"));
            }
            Some(true) => {}
            _ if skipped => {}
            Some(false) => problems.add(
                name.span(),
                format!(
                    "`{name}` is neither in the key nor skipped: add it to `key`, or write `skip({name})`"
                ),
            ),
            None if name == "self" => {
                let message = "`self` is neither in a key nor skipped: write `skip(self)` if results do not depend \
                               on it, or a `key` of what they depend on, such as `key = (self.id, …)`";
                problems.add(name.span(), message);
            }
            None => {}
        }
    }
    let skipped = names.iter().all(|name| given.skip.contains(name));
    let (FnArg::Receiver(Receiver { attrs, .. }) | FnArg::Typed(PatType { attrs, .. })) = input;
    let condition = attrs.iter().find(|attribute| !skipped && attribute.path().is_ident("cfg"));
    if let Some(condition) = condition {
        let message = "an argument that may be left out cannot be in a key: put `cfg` on the whole function";
        problems.add(condition.path().span(), message);
    }
    Argument { names, ty, skipped }
}

/// The names that a pattern binds.
pub(crate) fn bound(pattern: &Pat) -> Vec<Ident> {
    struct Names(Vec<Ident>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
            self.0.push(pattern.ident.clone());
            visit::visit_pat_ident(self, pattern);
        }
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pattern);
    names.0
}

/// Whether this might be a method of a trait's `impl`, where a visibility is not allowed.
pub(crate) fn may_be_of_a_trait(function: &ItemFn) -> bool {
    matches!(function.vis, Visibility::Inherited)
}
