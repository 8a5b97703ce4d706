//! One HTTP/1 connection, for the admin endpoints and for the demo.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

/// How long a client may take to send the head of its request, also between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bounds on the head of a request, in headers and in bytes. Above them the answer is 431. Browsers
/// send cookies of all services on a host; scrapers send less than a kilobyte.
const HEADERS: usize = 64;
const HEAD_BYTES: usize = 16 * 1024;

/// The methods of what is read.
pub(crate) const READ: &str = "GET, HEAD";

/// With each answer. A page has its style and its script from here and nothing from elsewhere, is
/// in no frame, and tells no other site its address.
const ALWAYS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

pub(crate) type Answer = Response<Full<Bytes>>;

/// Answers requests on `stream` until the client sends no more or is too slow, or until `drain`
/// makes the present request the last one. A body that `answer` does not read is not read.
pub(crate) async fn serve<S, F, A>(
    stream: S,
    drain: &CancellationToken,
    answer: F,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Answer>,
{
    let respond = |request| {
        let answer = answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        // `printf ... | openssl s_client` ends its side as soon as the request is sent.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = drain.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(crate) fn html(body: String) -> Answer {
    answer(StatusCode::OK, "text/html; charset=utf-8", body)
}

pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Answer {
    answer(status, "text/plain; charset=utf-8", body.into())
}

pub(crate) fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "not found\n")
}

/// Answers if the method is allowed: one of a list as in the header `Allow`.
pub(crate) fn only(
    allowed: &'static str,
    request: &Request<Incoming>,
    answer: impl FnOnce() -> Answer,
) -> Answer {
    let method = request.method().as_str();
    match allowed.split(", ").any(|one| one == method) {
        true => answer(),
        false => not_allowed(allowed),
    }
}

/// The answer to a method that is none of these.
pub(super) fn not_allowed(allowed: &'static str) -> Answer {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed}\n"));
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

/// Whether a client reads pages, as browsers do. The others get text or JSON.
pub(crate) fn wants_html(request: &Request<Incoming>) -> bool {
    let accept = request.headers().get_all(ACCEPT).iter();
    let mut accept = accept.filter_map(|value| value.to_str().ok());
    accept.any(|value| value.contains("text/html"))
}
