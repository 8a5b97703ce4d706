//! What changes something: `POST /revoke` and `POST /rotate`, for clients with the token.
//!
//! The token comes in the field `Authorization: Bearer`, or in a form of the page. No cookie is
//! ever set, so no other site can make a browser send it.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Request, StatusCode};
use rekindle::openssl::Resumption;
use rekindle::tickets::TicketKeyError;
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::http::{Answer, text};
use super::write_access::WriteAccess;
use crate::handover::Accepting;
use crate::log_limit::LogLimit;

/// Bytes of a form: a token and a few words.
const LONGEST_FORM: usize = 4096;
const FORM: &str = "application/x-www-form-urlencoded";

/// Something that a client with the token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Revoke,
    Rotate,
}

/// Why a client may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denial {
    Off,
    NoToken,
    WrongToken,
    TooLong,
    BadForm,
}

/// Who may change something.
#[derive(Debug, Default)]
pub(super) struct Gate {
    wrong_tokens: LogLimit,
}

impl Change {
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/revoke" => Some(Self::Revoke),
            "/rotate" => Some(Self::Rotate),
            _ => None,
        }
    }

    fn make(self, resumption: &Resumption) -> Answer {
        match self {
            Self::Revoke => {
                resumption.revoke_all();
                info!("all sessions are revoked");
                text(StatusCode::OK, "all sessions of before are revoked\n")
            }
            Self::Rotate => match resumption.ticket_ring().rotate() {
                Ok(update) => {
                    let sealing = update.sealing;
                    info!(key = %sealing, "the ticket keys are rotated on demand");
                    text(StatusCode::OK, format!("ticket key {sealing} seals now\n"))
                }
                Err(TicketKeyError::Provided) => {
                    let say = "the ticket keys come from a file or a secret: rotate them there\n";
                    text(StatusCode::CONFLICT, say)
                }
                Err(error @ TicketKeyError::TooManyRotations) => {
                    text(StatusCode::CONFLICT, format!("{error}\n"))
                }
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
            },
        }
    }
}

impl Gate {
    /// Answers a POST. `came` is told when all of the request has come that is read.
    pub(super) async fn pass(
        &self,
        change: Change,
        request: Request<Incoming>,
        access: Option<&WriteAccess>,
        resumption: &Resumption,
        accepting: &Accepting,
        came: impl FnOnce(),
    ) -> Answer {
        let permitted = match access {
            None => Err(Denial::Off),
            Some(access) => permitted(request, access).await,
        };
        came();
        match (permitted, accepting.hold()) {
            (Ok(()), Some(_held)) => change.make(resumption),
            (Ok(()), None) => {
                let say = "the terminator is being handed over: ask again\n";
                text(StatusCode::SERVICE_UNAVAILABLE, say)
            }
            (Err(denial), _) => self.deny(denial),
        }
    }

    fn deny(&self, denial: Denial) -> Answer {
        if denial == Denial::WrongToken
            && let Some(suppressed) = self.wrong_tokens.admit()
        {
            warn!(suppressed, "the admin address was shown a wrong token");
        }
        let (status, say) = match denial {
            Denial::Off => (
                StatusCode::FORBIDDEN,
                "changes by this address are off: start with --admin-write FILE\n",
            ),
            Denial::NoToken => (
                StatusCode::UNAUTHORIZED,
                "the token of --admin-write is needed: Authorization: Bearer TOKEN\n",
            ),
            Denial::WrongToken => (StatusCode::UNAUTHORIZED, "this is not the token\n"),
            Denial::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "at most 4096 bytes\n"),
            Denial::BadForm => (StatusCode::BAD_REQUEST, "the form has not come whole\n"),
        };
        let mut answer = text(status, say);
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        answer
    }
}

/// Whether the request shows the token.
async fn permitted(request: Request<Incoming>, access: &WriteAccess) -> Result<(), Denial> {
    let token = match request.headers().get(AUTHORIZATION) {
        Some(field) => bearer(field).map(|token| Zeroizing::new(token.to_vec())),
        None if is_form(request.headers()) => {
            let body = Limited::new(request.into_body(), LONGEST_FORM);
            let body =
                body.collect()
                    .await
                    .map_err(|error| match error.is::<LengthLimitError>() {
                        true => Denial::TooLong,
                        false => Denial::BadForm,
                    })?;
            token_of(&body.to_bytes())
        }
        None => None,
    };
    match access.is_token(&token.ok_or(Denial::NoToken)?) {
        true => Ok(()),
        false => Err(Denial::WrongToken),
    }
}

fn bearer(field: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = field.as_bytes().split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM))
}

fn token_of(form: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut fields = form_urlencoded::parse(form);
    let (_, token) = fields.find(|(name, _)| name == "token")?;
    Some(Zeroizing::new(token.into_owned().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_read_from_the_field_and_from_the_form() {
        for (field, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("", None),
        ] {
            let field = HeaderValue::from_static(field);
            assert_eq!(bearer(&field), token.map(str::as_bytes), "{field:?}");
        }
        for (form, token) in [
            ("token=a%2Bb+c", Some("a+b c")),
            ("x=1&token=abc&token=d", Some("abc")),
            ("tokens=abc", None),
            ("", None),
        ] {
            let read = token_of(form.as_bytes());
            assert_eq!(
                read.as_deref(),
                token.map(|token| token.as_bytes().to_vec()).as_ref()
            );
        }
    }

    #[test]
    fn a_form_is_told_by_its_type() {
        for (kind, expected) in [
            (FORM, true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true),
            ("application/json", false),
            ("multipart/form-data; boundary=x", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is_form(&headers), expected, "{kind}");
        }
        assert!(!is_form(&HeaderMap::new()));
    }
}
