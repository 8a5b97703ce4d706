//! The style and the script of the page, by path.

/// The type and the content of a file.
pub(in crate::admin) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    match path {
        "/page.css" => Some(("text/css; charset=utf-8", include_str!("page.css"))),
        "/page.js" => Some(("text/javascript; charset=utf-8", include_str!("page.js"))),
        _ => None,
    }
}
