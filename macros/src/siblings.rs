//! What stands beside the function: `name_uncached`, `name_key` and `name_invalidate`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Ident, ItemFn, Signature, parse_quote};

use crate::{check, expand::Cached};

impl Cached {
    pub(crate) fn siblings(&self) -> TokenStream {
        let (uncached, key) = (self.uncached(), self.key_function());
        let (invalidate, guard) = (self.invalidate(), self.guard());
        quote!(#uncached #key #invalidate #guard)
    }

    fn uncached(&self) -> TokenStream {
        let ItemFn { vis, block, .. } = &self.function;
        let sig = self.signature(&self.sibling("uncached"));
        let attributes = self.attributes(&format!("`{}` without its cache.", self.function.sig.ident));
        quote_spanned!(Span::mixed_site()=> #attributes #vis #sig #block)
    }

    fn key_function(&self) -> TokenStream {
        let (vis, library) = (&self.function.vis, &self.library);
        let name = self.sibling("key");
        let mut sig = self.signature(&name);
        sig.asyncness = None;
        sig.output = parse_quote!(-> #library::FunctionKey);
        let does = format!(
            "The key under which `{}` caches its result for these arguments.",
            self.function.sig.ident
        );
        let (attributes, key) = (self.attributes(&does), self.key(&name));
        quote_spanned! {Span::mixed_site()=>
            #attributes #vis #sig {
                #library::__macros::key(#key)
            }
        }
    }

    fn invalidate(&self) -> TokenStream {
        let (vis, library) = (&self.function.vis, &self.library);
        let name = self.sibling("invalidate");
        let mut sig = self.signature(&name);
        sig.output = parse_quote!(-> ::core::result::Result<bool, #library::Error>);
        let does = format!(
            "Removes what `{}` caches for these arguments, and tells whether there was anything.\n\n\
             # Errors\n\nThe cache's own: the store could not be reached, or the key was refused.",
            self.function.sig.ident,
        );
        let attributes = self.attributes(&does);
        let (cache, key) = (self.cache(), self.key(&name));
        quote_spanned! {Span::mixed_site()=>
            #attributes #vis #sig {
                #cache
                match cache {
                    ::core::option::Option::Some(cache) => {
                        let key = #library::__macros::key(#key);
                        cache.delete(key).await
                    }
                    ::core::option::Option::None => ::core::result::Result::Ok(false),
                }
            }
        }
    }

    /// In an `impl` of a trait the compiler names each of these as no member of it; this one says what to do.
    fn guard(&self) -> Option<TokenStream> {
        let name = &self.function.sig.ident;
        let at = Span::call_site();
        let guard = format_ident!(
            "{name}_is_cached_so_it_cannot_be_in_an_impl_of_a_trait_but_in_an_inherent_impl",
            span = at
        );
        check::may_be_of_a_trait(&self.function).then(|| {
            quote_spanned! {at=>
                #[doc(hidden)]
                const #guard: () = ();
            }
        })
    }

    /// A name that stands where the function's does, and is the macro's to every lint.
    fn sibling(&self, suffix: &str) -> Ident {
        let name = &self.function.sig.ident;
        format_ident!("{name}_{suffix}", span = Span::mixed_site().located_at(name.span()))
    }

    fn signature(&self, name: &Ident) -> Signature {
        Signature { ident: name.clone(), ..self.function.sig.clone() }
    }

    /// A sibling's own documentation, and of the function's attributes those that hold for it too. No lint looks at it: it
    /// need not be used, nor use its arguments, and what is said of the body is said of the function.
    fn attributes(&self, does: &str) -> TokenStream {
        let held =
            |attribute: &&Attribute| ["cfg", "deprecated"].iter().any(|name| attribute.path().is_ident(name));
        let held = self.function.attrs.iter().filter(held);
        quote!(#[doc = #does] #(#held)* #[allow(warnings, unused, clippy::all, clippy::pedantic)])
    }
}
