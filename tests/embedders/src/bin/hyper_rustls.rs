//! hyper with tokio-rustls.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rekindle_embedders::Arguments;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let acceptor = TlsAcceptor::from(Arc::new(arguments.rustls()?));
    let listener = TcpListener::bind(&arguments.address).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        // A connection that fails is its client's matter.
        tokio::spawn(async move { serve(tcp, &acceptor).await.map_err(drop) });
    }
}

async fn serve(tcp: TcpStream, acceptor: &TlsAcceptor) -> Result<(), Box<dyn Error + Send + Sync>> {
    let stream = acceptor.accept(tcp).await?;
    let answer = |_: Request<_>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hyper\n"))))
    };
    let connection = http1::Builder::new();
    let connection = connection.serve_connection(TokioIo::new(stream), service_fn(answer));
    Ok(connection.await?)
}
