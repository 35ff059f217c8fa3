//! Durations: `"10m"`, or an expression.

use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};

/// How long something lives.
pub(crate) enum Lifetime {
    /// Milliseconds, from a text such as `"10m"`.
    Known(u64),
    /// An expression of type `Duration`.
    Computed(Expr),
}

/// Why a ttl of zero is refused.
pub(crate) const ZERO: &str = "nothing would be cached: a ttl is at least \"1ms\"";

const FORM: &str = "write a whole number and a unit, one of ms, s, m, h and d, such as \"10m\"; \
                    or an expression of type `Duration`";

impl Lifetime {
    /// `zero`: why zero is refused, unless it is empty.
    pub(crate) fn parse(value: Expr, zero: &str) -> Result<Self> {
        let text = match value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text,
            Expr::Lit(other) => return Err(Error::new_spanned(other, format!("this has no unit: {FORM}"))),
            other => return Ok(Self::Computed(other)),
        };
        match millis(&text)? {
            0 if !zero.is_empty() => Err(Error::new(text.span(), zero)),
            millis => Ok(Self::Known(millis)),
        }
    }
}

fn millis(text: &LitStr) -> Result<u64> {
    let value = text.value();
    let unit = value.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let one = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(Error::new(text.span(), format!("{value:?} is no duration: {FORM}"))),
    };
    let digits = &value[..value.len() - unit.len()];
    if digits.is_empty() {
        return Err(Error::new(text.span(), format!("{value:?} is no duration: {FORM}")));
    }
    let millis = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(one));
    millis.ok_or_else(|| Error::new(text.span(), "this is longer than 500,000,000 years: write less"))
}
