//! What operators and browsers read: the admin endpoints, the metrics, the demo's page.

mod connections;
mod endpoints;
mod exposition;
mod http;
mod listener;
mod metrics;
mod page;
mod phase;
mod text_format;
mod upstreams;

pub(crate) use self::endpoints::Admin;
pub(crate) use self::http::{Answer, answer, not_found, only, serve as serve_http};
pub(crate) use self::listener::AdminListener;
pub(crate) use self::metrics::{Active, Metrics};
pub(crate) use self::page::{Visit, html, json};
