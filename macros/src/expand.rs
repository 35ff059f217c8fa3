//! The function with the cache in front of its body.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, Ident, ItemFn, Path, Result, ReturnType, Type, parse_quote, spanned::Spanned};

use crate::{
    check::{self, Argument},
    lifetime::Lifetime,
    mentions,
    parse::Arguments,
};

/// All that the expansion is made of.
///
/// What is generated has spans of the macro: its variables cannot meet the user's, and no lint looks at it.
pub(crate) struct Cached {
    pub(crate) function: ItemFn,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) given: Arguments,
    pub(crate) library: Path,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function = check::function(item)?;
    let given: Arguments = syn::parse2(arguments)?;
    let arguments = check::arguments(&function, &given)?;
    let library = given.library.clone().unwrap_or_else(|| parse_quote!(::blindcache));
    let cached = Cached { function, arguments, given, library };
    let (function, siblings) = (cached.function(), cached.siblings());
    Ok(quote!(#function #siblings))
}

impl Cached {
    /// The function itself.
    fn function(&self) -> TokenStream {
        let ItemFn { attrs, vis, sig, block, .. } = &self.function;
        let stmts = &block.stmts;
        let (library, result) = (&self.library, self.result());
        let (cache, key) = (self.cache(), self.key(&sig.ident));
        let settings = self.settings();
        let cache_none = self.given.cache_none;
        let cache_if =
            self.given.cache_if.as_ref().map_or_else(|| quote!(|_| true), ToTokens::to_token_stream);
        let (run, shape) = self.run(&result);
        quote_spanned! {Span::mixed_site()=>
            #(#attrs)* #vis #sig {
                #cache
                let entry = match cache {
                    ::core::option::Option::Some(cache) => {
                        ::core::option::Option::Some(cache.entry(#key) #settings)
                    }
                    ::core::option::Option::None => ::core::option::Option::None,
                };
                let #shape = {
                    use #library::__macros::AnyShape as _;
                    #library::__macros::Returns::<#result>::new().shape()
                };
                let presence = {
                    use #library::__macros::AnyPresence as _;
                    #shape.value().presence()
                };
                let keep = #library::__macros::keep(presence, #cache_none, #cache_if);
                #run(entry, #shape, keep, move || async move {
                    if let ::core::option::Option::Some(result) = ::core::option::Option::None::<#result> {
                        return result;
                    }
                    let result: #result = { #(#stmts)* };
                    result
                })
                .await
            }
        }
    }

    /// The helper that does the work, and the variable that tells it what the result is. What is wrong with the type of
    /// the result is said where that stands, or at `strict`.
    fn run(&self, result: &Type) -> (TokenStream, Ident) {
        let (name, at) = match self.given.strict {
            Some(strict) => ("run_strict", strict),
            None => ("run", result.span()),
        };
        (self.helper(name, at), Ident::new("shape", Span::mixed_site().located_at(at)))
    }

    /// A function of the library; what the compiler says of the call points there.
    pub(crate) fn helper(&self, name: &str, at: Span) -> TokenStream {
        let at = Span::mixed_site().located_at(at);
        let name = Ident::new(name, at);
        match &self.given.library {
            Some(library) => quote_spanned!(at=> #library::__macros::#name),
            None => quote_spanned!(at=> ::blindcache::__macros::#name),
        }
    }

    pub(crate) fn result(&self) -> Type {
        match &self.function.sig.output {
            ReturnType::Type(_, ty) => (**ty).clone(),
            ReturnType::Default => parse_quote!(()),
        }
    }

    /// Makes a variable `cache` of type `Option<&Cache>`.
    pub(crate) fn cache(&self) -> TokenStream {
        let library = &self.library;
        let cache = match &self.given.cache {
            None => quote_spanned! {Span::mixed_site()=>
                let cache: ::core::option::Option<&#library::Cache> = #library::__macros::default_cache();
            },
            // The body may take or change the argument that the cache is in.
            Some(cache) if self.takes_an_argument(cache) => quote_spanned! {Span::mixed_site()=>
                let cache: #library::Cache = #library::Cache::clone(&(#cache));
                let cache: ::core::option::Option<&#library::Cache> = ::core::option::Option::Some(&cache);
            },
            Some(cache) => quote_spanned! {Span::mixed_site()=>
                let cache: &#library::Cache = &(#cache);
                let cache: ::core::option::Option<&#library::Cache> = ::core::option::Option::Some(cache);
            },
        };
        let tenant = self.given.tenant.as_ref().map(|tenant| {
            quote_spanned! {Span::mixed_site()=>
                let cache: ::core::option::Option<#library::Cache> = match cache {
                    ::core::option::Option::Some(cache) => ::core::option::Option::Some(cache.for_tenant(#tenant)),
                    ::core::option::Option::None => ::core::option::Option::None,
                };
                let cache: ::core::option::Option<&#library::Cache> = cache.as_ref();
            }
        });
        quote!(#cache #tenant)
    }

    /// Whether the expression uses an argument other than `&self`.
    fn takes_an_argument(&self, expression: &Expr) -> bool {
        let shared = self.function.sig.receiver().is_some_and(|receiver| {
            let tokens = receiver.to_token_stream().to_string();
            tokens.starts_with('&') && !tokens.contains("mut")
        });
        let names = self.arguments.iter().flat_map(|argument| &argument.names);
        names.filter(|name| !(shared && *name == "self")).any(|name| mentions::variable(expression, name))
    }

    /// The settings of the call: `.ttl(…)` and the like.
    fn settings(&self) -> TokenStream {
        let lifetime = |lifetime: &Lifetime| match lifetime {
            Lifetime::Known(millis) => quote!(::core::time::Duration::from_millis(#millis)),
            Lifetime::Computed(expression) => expression.to_token_stream(),
        };
        let ttl = self.given.ttl.as_ref().map(lifetime).map(|ttl| quote!(.ttl(#ttl)));
        let stale = self.given.stale.as_ref().map(lifetime).map(|stale| quote!(.stale(#stale)));
        let tags = &self.given.tags;
        let tags =
            (!tags.is_empty()).then(|| quote!(.tags([#(::core::convert::AsRef::<str>::as_ref(&(#tags))),*])));
        quote!(#ttl #stale #tags)
    }
}
