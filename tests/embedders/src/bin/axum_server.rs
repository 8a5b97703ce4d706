//! axum-server.

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use axum_server::tls_openssl::OpenSSLConfig;
use rekindle_embedders::Arguments;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let (acceptor, _resumption) = arguments.acceptor()?;
    let config = OpenSSLConfig::try_from(acceptor)?;
    let app = Router::new().route("/", get(|| async { "axum-server\n" }));
    let address: SocketAddr = arguments.address.parse()?;
    let server = axum_server::bind_openssl(address, config);
    Ok(server.serve(app.into_make_service()).await?)
}
