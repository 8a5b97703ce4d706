//! The formats of ticket keys and the order of folders, as values of flags.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use rekindle_key_files::{FolderOrder, TicketKeyFormat};

/// Takes the name of a format.
pub(crate) fn key_format() -> impl TypedValueParser<Value = TicketKeyFormat> {
    let names = TicketKeyFormat::ALL.map(TicketKeyFormat::name);
    PossibleValuesParser::new(names).map(|name| name.parse().expect("one of them"))
}

/// Takes `first` or `last`.
pub(crate) fn folder_order() -> impl TypedValueParser<Value = FolderOrder> {
    PossibleValuesParser::new(["first", "last"]).map(|name| match &*name {
        "first" => FolderOrder::First,
        _ => FolderOrder::Last,
    })
}
