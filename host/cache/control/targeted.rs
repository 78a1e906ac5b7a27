//! Targeted fields, as CDN-Cache-Control (RFC 9213): Dictionaries (RFC 9651 §3.2) of directives.

use super::ResponseControl;
use super::directives::Argument;
use crate::http::Fields;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

/// The type that a directive's value has (RFC 9213 §2.1).
enum Kind {
    Seconds,
    /// True, or a String that names fields.
    Fields,
    /// True.
    Flag,
}

/// What that field says; none where it is absent, empty, no Dictionary, or gives a directive that
/// is known here a value of another type: then it is ignored wholly (§2.1).
pub(super) fn control(fields: &Fields, name: &str) -> Option<ResponseControl> {
    let value = fields.joined(name)?;
    let directives: Dictionary = Parser::new(&value).parse().ok()?;
    if directives.is_empty() {
        return None;
    }
    let mut control = ResponseControl {
        targeted: true,
        ..ResponseControl::default()
    };
    for (name, value) in &directives {
        if let Some(kind) = kind(name.as_str()) {
            control.take(name.as_str(), &argument(&kind, value)?);
        }
    }
    Some(control)
}

fn kind(directive: &str) -> Option<Kind> {
    Some(match directive {
        "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error" => Kind::Seconds,
        "no-cache" | "private" => Kind::Fields,
        "no-store" | "public" | "must-revalidate" | "proxy-revalidate" | "must-understand" => {
            Kind::Flag
        }
        _ => return None,
    })
}

/// The value as Cache-Control would have it. Parameters are ignored.
fn argument<'a>(kind: &Kind, value: &'a ListEntry) -> Option<Argument<'a>> {
    let ListEntry::Item(item) = value else {
        return None;
    };
    match (kind, &item.bare_item) {
        (Kind::Seconds, BareItem::Integer(seconds)) if i64::from(*seconds) >= 0 => {
            Some(Argument::Text(seconds.to_string().into_bytes().into()))
        }
        (Kind::Fields, BareItem::String(names)) => {
            Some(Argument::Text(names.as_str().as_bytes().into()))
        }
        (Kind::Fields | Kind::Flag, BareItem::Boolean(true)) => Some(Argument::None),
        _ => None,
    }
}
