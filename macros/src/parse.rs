//! The arguments of the attribute: `ttl = "10m", skip(db), strict`.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result, Token,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

use crate::lifetime::{Lifetime, ZERO};

/// What stands in the parentheses of `#[cached(…)]`.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) cache: Option<Expr>,
    pub(crate) ttl: Option<Lifetime>,
    pub(crate) stale: Option<Lifetime>,
    pub(crate) key: Option<Expr>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<Expr>,
    pub(crate) tenant: Option<Expr>,
    pub(crate) namespace: Option<Expr>,
    pub(crate) tags: Vec<Expr>,
    pub(crate) cache_if: Option<Expr>,
    pub(crate) cache_none: bool,
    pub(crate) strict: Option<Span>,
    pub(crate) library: Option<Path>,
}

const KNOWN: &str = "`cache`, `ttl`, `stale`, `key`, `skip(…)`, `name`, `version`, `tenant`, `namespace`, `tags`, \
                     `cache_if`, `cache_none`, `strict` and `crate`";

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            if seen.contains(&name) {
                return Err(Error::new(name.span(), format!("`{name}` stands here twice: leave one out")));
            }
            arguments.argument(&name, input)?;
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        arguments.together()
    }
}

impl Arguments {
    fn argument(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "cache" => self.cache = Some(expression(name, input, "self.cache")?),
            "ttl" => self.ttl = Some(Lifetime::parse(value(name, input, "\"10m\"")?, ZERO)?),
            "stale" => self.stale = Some(Lifetime::parse(value(name, input, "\"1h\"")?, "")?),
            "key" => self.key = Some(key(value(name, input, "(\"user\", id)")?)?),
            "skip" => self.skip = skip(name, input)?,
            "name" => self.name = Some(text(name, value(name, input, "\"user\"")?)?),
            "version" => self.version = Some(version(value(name, input, "2")?)?),
            "tenant" => self.tenant = Some(expression(name, input, "KEYS.tenant(id)?")?),
            "namespace" => self.namespace = Some(value(name, input, "\"users\"")?),
            "tags" => self.tags = tags(value(name, input, "[\"users\"]")?)?,
            "cache_if" => self.cache_if = Some(expression(name, input, "|user| user.is_complete()")?),
            "cache_none" => self.cache_none = flag(name, input)?,
            "strict" => self.strict = flag(name, input)?.then(|| name.span()),
            "crate" => self.library = Some(library(input)?),
            _ => {
                let message = format!("`{name}` is no argument of `#[cached]`, which knows {KNOWN}");
                return Err(Error::new(name.span(), message));
            }
        }
        Ok(())
    }

    /// Refuses what makes no sense together.
    fn together(self) -> Result<Self> {
        if let (Some(strict), Some(_)) = (self.strict, &self.stale) {
            let message =
                "under `strict` no stale value stands in for an error: leave out `stale` or `strict`";
            return Err(Error::new(strict, message));
        }
        Ok(self)
    }
}

/// `= <expression>`.
fn value(name: &Ident, input: ParseStream<'_>, example: &str) -> Result<Expr> {
    if !input.peek(Token![=]) {
        return Err(Error::new(name.span(), format!("`{name}` needs a value: write `{name} = {example}`")));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}

/// As [`value`], and not in quotes.
fn expression(name: &Ident, input: ParseStream<'_>, example: &str) -> Result<Expr> {
    let value = value(name, input, example)?;
    match &value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            let text = text.value();
            let message = format!("an expression stands here without quotes: write `{name} = {text}`");
            Err(Error::new_spanned(value, message))
        }
        _ => Ok(value),
    }
}

fn key(value: Expr) -> Result<Expr> {
    match &value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value().contains('{') => {
            let text = text.token();
            let message = format!(
                "a string is taken as it stands: write a tuple, such as `(\"user\", id)`, or `format!({text})`"
            );
            Err(Error::new_spanned(value, message))
        }
        _ => Ok(value),
    }
}

fn text(name: &Ident, value: Expr) -> Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        other => {
            Err(Error::new_spanned(other, format!("`{name}` is a text in quotes: write `{name} = \"user\"`")))
        }
    }
}

fn version(value: Expr) -> Result<Expr> {
    match &value {
        Expr::Lit(ExprLit { lit: Lit::Int(_), .. }) => Ok(value),
        Expr::Lit(_) => Err(Error::new_spanned(value, "a version is a number: write `version = 2`")),
        _ => Ok(value),
    }
}

fn tags(value: Expr) -> Result<Vec<Expr>> {
    match value {
        Expr::Array(array) => Ok(array.elems.into_iter().collect()),
        other => {
            let message = format!("tags are a list: write `tags = [{}]`", other.to_token_stream());
            Err(Error::new_spanned(other, message))
        }
    }
}

fn skip(name: &Ident, input: ParseStream<'_>) -> Result<Vec<Ident>> {
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(name.span(), "write the names of the arguments in parentheses: `skip(db)`"));
    }
    let names;
    parenthesized!(names in input);
    Ok(Punctuated::<Ident, Token![,]>::parse_terminated_with(&names, Ident::parse_any)?.into_iter().collect())
}

fn flag(name: &Ident, input: ParseStream<'_>) -> Result<bool> {
    if input.peek(Token![=]) {
        return Err(Error::new(
            name.span(),
            format!("`{name}` takes no value: write `{name}`, or leave it out"),
        ));
    }
    Ok(true)
}

fn library(input: ParseStream<'_>) -> Result<Path> {
    input.parse::<Token![=]>()?;
    input.call(Path::parse_mod_style)
}
