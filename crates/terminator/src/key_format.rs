//! The formats of ticket keys, as values of flags.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use rekindle_key_files::TicketKeyFormat;

/// Takes the name of a format.
pub(crate) fn key_format() -> impl TypedValueParser<Value = TicketKeyFormat> {
    let names = TicketKeyFormat::ALL.map(TicketKeyFormat::name);
    PossibleValuesParser::new(names).map(|name| name.parse().expect("one of them"))
}
