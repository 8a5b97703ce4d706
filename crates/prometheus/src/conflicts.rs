//! What handshakes found set on their context beside what is installed on it.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use rekindle::openssl::Conflicts;

use crate::encode::labelled;

pub(crate) fn encode(out: &mut DescriptorEncoder<'_>, conflicts: &Conflicts) -> fmt::Result {
    let found = [
        ("session_callbacks", conflicts.session_callbacks),
        ("internal_cache", conflicts.internal_cache),
        ("ticket_key_callback", conflicts.ticket_key_callback),
        ("session_ticket_callback", conflicts.session_ticket_callback),
        ("not_resumable_callback", conflicts.not_resumable_callback),
        ("no_session_id_context", conflicts.no_session_id_context),
    ];
    let what = "Handshakes that found what is installed on their context undone or useless";
    labelled(out, "conflicts", what, "with", &found)
}
