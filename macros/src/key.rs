//! The key of a call: where the function stands, its name, its type parameters, and its arguments.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Expr, GenericParam, Ident, Type, TypeImplTrait,
    ext::IdentExt,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{check::Argument, expand::Cached, mentions};

impl Cached {
    /// The whole key, as a reference to a tuple; `at` is the function in which it stands.
    pub(crate) fn key(&self, at: &Ident) -> TokenStream {
        let optional = |value: Option<TokenStream>| match value {
            Some(value) => quote!(::core::option::Option::Some(#value)),
            None => quote!(::core::option::Option::None),
        };
        let namespace = self.given.namespace.as_ref();
        let namespace =
            optional(namespace.map(|text| quote!(::core::convert::AsRef::<str>::as_ref(&(#text)))));
        let version = optional(self.given.version.as_ref().map(ToTokens::to_token_stream));
        let (scope, name) = match &self.given.name {
            Some(name) => (quote!(""), name.to_token_stream()),
            None => (self.scope(at), self.function.sig.ident.unraw().to_string().to_token_stream()),
        };
        let (types, key) = (self.types(), self.own_key());
        let library = &self.library;
        quote_spanned! {Span::mixed_site()=>
            &#library::__macros::FullKey {
                namespace: #namespace,
                scope: #scope,
                name: #name,
                version: #version,
                types: (#(#types,)*),
                key: #key,
            }
        }
    }

    /// The path of what the function stands in. `Self` is not in sight of a function without `self`, but in the names
    /// of closures in it.
    fn scope(&self, at: &Ident) -> TokenStream {
        if self.function.sig.receiver().is_some() {
            return quote!(::core::any::type_name::<Self>());
        }
        let (library, at) = (&self.library, at.unraw().to_string());
        quote! {
            #library::__macros::scope(::core::any::type_name_of_val(&|| ()), #at, ::core::module_path!())
        }
    }

    /// What stands for the function's type and const parameters, and for the types of its `impl` arguments. Those that
    /// only skipped arguments have are left out.
    fn types(&self) -> Vec<TokenStream> {
        let result = self.result();
        let used = |name: &Ident| {
            let of =
                |argument: &&Argument| argument.ty.as_ref().is_some_and(|ty| mentions::parameter(ty, name));
            let (skipped, kept): (Vec<&Argument>, Vec<&Argument>) =
                self.arguments.iter().filter(of).partition(|argument| argument.skipped);
            mentions::parameter(&result, name) || !kept.is_empty() || skipped.is_empty()
        };
        let parameters = self.function.sig.generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Type(ty) if used(&ty.ident) => {
                let name = &ty.ident;
                Some(quote!(::core::any::type_name::<#name>()))
            }
            GenericParam::Const(value) if used(&value.ident) => Some(value.ident.to_token_stream()),
            _ => None,
        });
        let kept = self.arguments.iter().filter(|argument| !argument.skipped);
        let opaque = kept.filter(|argument| argument.ty.as_ref().is_some_and(has_opaque));
        let names = opaque.flat_map(|argument| &argument.names);
        parameters.chain(names.map(|name| quote!(::core::any::type_name_of_val(&#name)))).collect()
    }

    /// The key as it was given, or the arguments that are not skipped.
    fn own_key(&self) -> TokenStream {
        match &self.given.key {
            Some(key) => self.by_reference(key),
            None => {
                let names = self.arguments.iter().flat_map(|argument| &argument.names);
                let parts = names.filter(|name| !self.given.skip.contains(name)).map(|name| self.part(name));
                quote!((#(#parts,)*))
            }
        }
    }

    /// The expression by reference, so that it takes nothing from the body: each part of a tuple or a list for itself.
    fn by_reference(&self, expression: &Expr) -> TokenStream {
        match expression {
            Expr::Paren(inner) => self.by_reference(&inner.expr),
            Expr::Tuple(tuple) if !tuple.elems.is_empty() => {
                let parts = tuple.elems.iter().map(|part| self.by_reference(part));
                quote!((#(#parts,)*))
            }
            Expr::Array(array) => {
                let parts = array.elems.iter().map(|part| self.by_reference(part));
                quote!([#(#parts),*])
            }
            other => self.part(other),
        }
    }

    /// A part of the key. If it cannot be one, the compiler says so where it stands.
    fn part(&self, expression: &impl ToTokens) -> TokenStream {
        let part = self.helper("part", expression.span());
        let at = Span::mixed_site().located_at(expression.span());
        quote_spanned!(at=> #part(&(#expression)))
    }
}

fn has_opaque(ty: &Type) -> bool {
    struct Opaque(bool);
    impl<'ast> Visit<'ast> for Opaque {
        fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
            self.0 = true;
            visit::visit_type_impl_trait(self, ty);
        }
    }
    let mut opaque = Opaque(false);
    opaque.visit_type(ty);
    opaque.0
}
