//! The attribute `#[cached]` of blindcache, which re-exports it: use it from there.

mod check;
mod expand;
mod key;
mod lifetime;
mod mentions;
mod parse;
mod siblings;

use proc_macro::TokenStream;

#[doc = include_str!("docs.md")]
#[proc_macro_attribute]
pub fn cached(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match expand::expand(arguments.into(), item.clone().into()) {
        Ok(expanded) => expanded.into(),
        Err(problem) => {
            // The function stays, so that its callers are not wrong as well.
            let mut output = TokenStream::from(problem.into_compile_error());
            output.extend(item);
            output
        }
    }
}
