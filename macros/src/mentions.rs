//! Which names an expression uses.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Expr, ExprPath, Ident, Macro, Type, TypePath,
    visit::{self, Visit},
};

struct Search<'a> {
    name: &'a Ident,
    found: bool,
}

/// Whether the expression uses this variable: `other.name` and `name()` do not.
pub(crate) fn variable(expression: &Expr, name: &Ident) -> bool {
    let mut search = Search { name, found: false };
    search.visit_expr(expression);
    search.found
}

/// Whether the type uses this parameter.
pub(crate) fn parameter(ty: &Type, name: &Ident) -> bool {
    let mut search = Search { name, found: false };
    search.visit_type(ty);
    search.found
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        self.found |= path.path.is_ident(self.name);
        visit::visit_expr_path(self, path);
    }

    fn visit_type_path(&mut self, path: &'ast TypePath) {
        let first = path.path.segments.first();
        self.found |= path.qself.is_none() && first.is_some_and(|segment| segment.ident == *self.name);
        visit::visit_type_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.found |= in_tokens(call.tokens.clone(), self.name);
    }
}

/// In the arguments of a macro: as an identifier that is no field, or captured by a format string.
fn in_tokens(tokens: TokenStream, name: &Ident) -> bool {
    let mut after_dot = false;
    tokens.into_iter().any(|token| {
        let found = match &token {
            TokenTree::Ident(ident) => !after_dot && ident == name,
            TokenTree::Group(group) => in_tokens(group.stream(), name),
            TokenTree::Literal(literal) => {
                // Two braces are one that is written.
                let text = literal.to_string().replace("{{", "");
                ["}", ":"].iter().any(|end| text.contains(&format!("{{{name}{end}")))
            }
            TokenTree::Punct(_) => false,
        };
        // The second dot of a range is no field's.
        after_dot = !after_dot && matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_string_uses_what_it_captures_and_not_what_it_writes() {
        let id: Ident = syn::parse_quote!(id);
        for (expression, uses) in [
            ("format!(\"{id}\")", true),
            ("format!(\"a{id:?}\")", true),
            ("format!(\"{{{id}}}\")", true),
            ("format!(\"{}\", id)", true),
            ("format!(\"{{id}}\")", false),
            ("format!(\"{{id:{other}\")", false),
            ("format!(\"{}\", other.id)", false),
        ] {
            let parsed = syn::parse_str(expression).expect("an expression");
            assert_eq!(variable(&parsed, &id), uses, "{expression}");
        }
    }
}
