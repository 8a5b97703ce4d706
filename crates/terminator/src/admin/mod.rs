//! What operators and browsers read: the admin endpoints, the metrics, the demo's page.

mod endpoints;
mod exposition;
mod http;
mod metrics;
mod page;
mod text_format;
mod upstreams;

pub(crate) use self::endpoints::Admin;
pub(crate) use self::http::{Answer, answer, not_found, only, serve as serve_http};
pub(crate) use self::metrics::Metrics;
pub(crate) use self::page::{Visit, html, json};
