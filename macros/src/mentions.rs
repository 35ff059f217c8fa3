//! Which names an expression uses.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprLit, ExprPath,
    ExprWhile, Ident, Item, Lit, Macro, Pat, Stmt, Token, Type, TypePath,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
    visit::{self, Visit},
};

use crate::check::bound;

struct Search<'a> {
    name: &'a Ident,
    found: bool,
}

/// Whether the expression uses this variable: `other.name` does not, nor does what is bound anew under its name.
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

impl Search<'_> {
    /// Whether the name means something else behind this pattern.
    fn is_bound_by(&self, pattern: &Pat) -> bool {
        bound(pattern).contains(self.name)
    }

    /// The same behind the `let`s of a condition.
    fn is_bound_in(&self, condition: &Expr) -> bool {
        struct Lets<'a, 'b>(&'a Search<'b>, bool);
        impl<'ast> Visit<'ast> for Lets<'_, '_> {
            fn visit_expr_let(&mut self, condition: &'ast ExprLet) {
                self.1 |= self.0.is_bound_by(&condition.pat);
            }
        }
        let mut lets = Lets(self, false);
        lets.visit_expr(condition);
        lets.1
    }

    /// The arguments of a macro that are expressions. As in `format!`, the first text uses what it captures, but for what
    /// is given as `name = …`.
    fn arguments(&mut self, arguments: &Punctuated<Expr, Token![,]>) {
        let mut text = None;
        let mut is_given = false;
        for argument in arguments {
            match argument {
                Expr::Assign(given) => {
                    is_given |= matches!(&*given.left, Expr::Path(left) if left.path.is_ident(self.name));
                    self.visit_expr(&given.right);
                }
                Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) if text.is_none() => {
                    text = Some(literal.value());
                }
                argument => self.visit_expr(argument),
            }
        }
        self.found |= !is_given && text.is_some_and(|text| captures(&text, self.name));
    }
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
        if call.path.is_ident("matches") {
            // What stands behind the pattern may be bound by it.
            let first = |input: ParseStream<'_>| {
                let first: Expr = input.parse()?;
                input.parse::<TokenStream>().map(|_| first)
            };
            return first.parse2(call.tokens.clone()).iter().for_each(|first| self.visit_expr(first));
        }
        match Punctuated::parse_terminated.parse2(call.tokens.clone()) {
            Ok(arguments) => self.arguments(&arguments),
            Err(_) => self.found |= in_tokens(call.tokens.clone(), self.name),
        }
    }

    /// It sees no variables from outside.
    fn visit_item(&mut self, _: &'ast Item) {}

    fn visit_expr_binary(&mut self, both: &'ast ExprBinary) {
        self.visit_expr(&both.left);
        if !matches!(both.op, BinOp::And(_)) || !self.is_bound_in(&both.left) {
            self.visit_expr(&both.right);
        }
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        if !closure.inputs.iter().any(|input| self.is_bound_by(input)) {
            visit::visit_expr_closure(self, closure);
        }
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if !self.is_bound_by(&arm.pat) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_expr_if(&mut self, condition: &'ast ExprIf) {
        self.visit_expr(&condition.cond);
        if !self.is_bound_in(&condition.cond) {
            self.visit_block(&condition.then_branch);
        }
        if let Some((_, otherwise)) = &condition.else_branch {
            self.visit_expr(otherwise);
        }
    }

    fn visit_expr_while(&mut self, condition: &'ast ExprWhile) {
        self.visit_expr(&condition.cond);
        if !self.is_bound_in(&condition.cond) {
            self.visit_block(&condition.body);
        }
    }

    fn visit_expr_for_loop(&mut self, each: &'ast ExprForLoop) {
        self.visit_expr(&each.expr);
        if !self.is_bound_by(&each.pat) {
            self.visit_block(&each.body);
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        for statement in &block.stmts {
            self.visit_stmt(statement);
            if matches!(statement, Stmt::Local(local) if self.is_bound_by(&local.pat)) {
                break;
            }
        }
    }
}

/// In the tokens of another macro: as an identifier that is no field, or captured by a format string.
fn in_tokens(tokens: TokenStream, name: &Ident) -> bool {
    let mut after_dot = false;
    tokens.into_iter().any(|token| {
        let found = match &token {
            TokenTree::Ident(ident) => !after_dot && ident == name,
            TokenTree::Group(group) => in_tokens(group.stream(), name),
            TokenTree::Literal(literal) => {
                matches!(Lit::new(literal.clone()), Lit::Str(text) if captures(&text.value(), name))
            }
            TokenTree::Punct(_) => false,
        };
        // The second dot of a range is no field's.
        after_dot = !after_dot && matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
        found
    })
}

/// Whether a format string captures the variable.
fn captures(text: &str, name: &Ident) -> bool {
    let (text, name) = (text.replace("{{", ""), name.unraw()); // two braces are one that is written
    ["}", ":"].iter().any(|end| text.contains(&format!("{{{name}{end}")))
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
            ("format!(\"{id}\", id = other)", false),
            ("format!(\"{id}\", id = other + id)", true),
            ("format!(\"{id}\", other = other)", true),
            ("format!(\"{}\", \"{id}\")", false),
            ("vec![id; 2]", true),
            ("vec![other.id; 2]", false),
        ] {
            let parsed = syn::parse_str(expression).expect("an expression");
            assert_eq!(variable(&parsed, &id), uses, "{expression}");
        }
    }

    #[test]
    fn what_looks_like_a_capture_in_the_source_is_none_in_the_text() {
        let (id, r#in): (Ident, Ident) = (syn::parse_quote!(ad), syn::parse_quote!(r#in));
        assert!(!variable(&syn::parse_quote!(format!("{other}\u{ad}")), &id));
        assert!(!variable(&syn::parse_quote!(vec!["\u{ad}"; 2]), &id));
        assert!(variable(&syn::parse_quote!(format!("{in}")), &r#in));
    }

    #[test]
    fn what_is_bound_anew_is_another_variable() {
        let id: Ident = syn::parse_quote!(id);
        for (expression, uses) in [
            ("ids.iter().map(|id| id.len()).sum::<usize>()", false),
            ("ids.iter().map(|other| other + id).sum::<usize>()", true),
            ("format!(\"{}\", ids.iter().map(|(id, _)| id.len()).sum::<usize>())", false),
            ("match other { Some(id) => id, None => 0 }", false),
            ("match other { Some(id) => id, None => id }", true),
            ("if let Some(id) = other { id } else { 0 }", false),
            ("if let Some(id) = other { id } else { id }", true),
            ("if let Some(id) = id { id } else { 0 }", true),
            ("if let Some(other) = other { id } else { 0 }", true),
            ("if let Some(id) = other && id > 0 { 1 } else { 0 }", false),
            ("if id > 0 && let Some(id) = other { 1 } else { 0 }", true),
            ("if other && id > 0 { 1 } else { 0 }", true),
            ("matches!(other, Some(id) if id > 0)", false),
            ("matches!(id, Some(_))", true),
            ("{ fn same(id: u8) -> u8 { id } same(other) }", false),
            ("{ let id = other; id }", false),
            ("{ let id = id.to_string(); id }", true),
            ("{ let other = other; id }", true),
            ("{ while let Some(id) = other.next() { sum += id; } sum }", false),
            ("{ while other { sum += id; } sum }", true),
            ("{ for id in others { sum += id; } sum }", false),
            ("{ for other in others { sum += id; } sum }", true),
        ] {
            let parsed = syn::parse_str(expression).expect("an expression");
            assert_eq!(variable(&parsed, &id), uses, "{expression}");
        }
    }
}
