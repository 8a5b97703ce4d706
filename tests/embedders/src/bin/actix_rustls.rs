//! actix-web on rustls.

use std::error::Error;

use actix_web::{App, HttpServer, web};
use rekindle_embedders::Arguments;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let config = arguments.rustls()?;
    let app = || App::new().route("/", web::get().to(async || "actix-web\n"));
    let server = HttpServer::new(app).workers(2);
    Ok(server
        .bind_rustls_0_23(&arguments.address, config)?
        .run()
        .await?)
}
