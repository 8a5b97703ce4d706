//! hyper with tokio-openssl.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use openssl::ssl::{Ssl, SslContext};
use rekindle_embedders::Arguments;
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let (acceptor, _resumption) = arguments.acceptor()?;
    let context = acceptor.build().into_context();
    let listener = TcpListener::bind(&arguments.address).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        let context = context.clone();
        // A connection that fails is its client's matter.
        tokio::spawn(async move { serve(tcp, &context).await.map_err(drop) });
    }
}

async fn serve(tcp: TcpStream, context: &SslContext) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut stream = SslStream::new(Ssl::new(context)?, tcp)?;
    Pin::new(&mut stream).accept().await?;
    let answer = |_: Request<_>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hyper\n"))))
    };
    let connection = http1::Builder::new();
    let connection = connection.serve_connection(TokioIo::new(stream), service_fn(answer));
    Ok(connection.await?)
}
