//! HAProxy's `tls-ticket-keys`: lines of base64, the oldest key first.

use super::TicketKeyFormat as Format;
use crate::tickets::error::TicketKeyError;
use crate::tickets::keys::TicketKeys;

pub(super) fn parse(_content: &[u8], _format: Format) -> Result<TicketKeys, TicketKeyError> {
    Err(TicketKeyError::NothingSeals)
}
