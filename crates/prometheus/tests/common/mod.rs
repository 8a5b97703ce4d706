//! What a registry says when it is scraped.
#![allow(dead_code, unreachable_pub)] // each test file uses a part

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub fn scrape(registry: &Registry) -> String {
    let mut text = String::new();
    text::encode(&mut text, registry).expect("text takes all");
    text
}

/// This many families, each of them in the table of the documentation.
#[track_caller]
pub fn are_documented(registry: &Registry, prefix: &str, count: usize) {
    let text = scrape(registry);
    assert!(text.ends_with("# EOF\n"));
    let begin = format!("# TYPE {prefix}");
    let families = text.lines().filter_map(|line| line.strip_prefix(&begin));
    let names = families.map(|line| match line.split_once(' ') {
        Some((name, "counter")) => format!("`{name}_total`"),
        Some((name, _)) => format!("`{name}`"),
        None => panic!("a family without a type: {line}"),
    });
    let names: Vec<_> = names.collect();
    assert_eq!(names.len(), count);
    for name in names {
        assert!(include_str!("../../src/lib.rs").contains(&name), "{name}");
    }
}
