//! axum-server on rustls.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use rekindle_embedders::Arguments;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let config = RustlsConfig::from_config(Arc::new(arguments.rustls()?));
    let app = Router::new().route("/", get(|| async { "axum-server\n" }));
    let address: SocketAddr = arguments.address.parse()?;
    let server = axum_server::bind_rustls(address, config);
    Ok(server.serve(app.into_make_service()).await?)
}
