//! One HTTP/1 connection, for the admin endpoints and for the demo.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
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

pub(crate) type Answer = Response<Full<Bytes>>;

/// Answers requests on `stream` until the client sends no more or is too slow, or until `drain`
/// makes the present request the last one. Of a request with a body, that is not read.
pub(crate) async fn serve<S, F>(
    stream: S,
    drain: &CancellationToken,
    answer: F,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(&Request<Incoming>) -> Answer,
{
    let respond = |request: Request<Incoming>| {
        let response = answer(&request);
        async { Ok::<_, Infallible>(response) }
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
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Answer {
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
    if allowed.split(", ").any(|one| one == method) {
        return answer();
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed}\n"));
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}
