//! Placeholder.
use serde_json::{Value, json};
fn ev() -> Value { serde_json::from_str(include_str!("../events/resolve-call-exotel.json")).unwrap() }
fn try_(e: &Value) -> String {
    let t = e.to_string();
    match std::panic::catch_unwind(|| lambda_http::request::from_str(&t).map(|r| format!("{:?}", r.uri()))) {
        Err(e) => format!("PANIC {:?}", e.downcast_ref::<String>()), Ok(Err(e)) => format!("ERR {e}"), Ok(Ok(u)) => u }
}
#[test]
fn explore() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = String::new();
    for (what, set) in [("query", 0), ("path", 1), ("header", 2), ("host", 3), ("proto", 4), ("headername", 5), ("domain-nohost",6), ("qpath",7)] {
        let mut bad = vec![];
        let mut worst = String::new();
        for c in (0u32..0x180).chain([0x20ac, 0xfffd, 0x1f600]).filter_map(char::from_u32) {
            let mut e = ev();
            match set { 0 => e["rawQueryString"] = format!("a=b{c}c").into(),
              1 => e["rawPath"] = format!("/calls/exotel/a{c}b").into(),
              2 => e["headers"]["user-agent"] = format!("a{c}b").into(),
              3 => e["headers"]["host"] = format!("a{c}b").into(),
              4 => e["headers"]["x-forwarded-proto"] = format!("a{c}b").into(),
              5 => e["headers"][format!("x-{c}b")] = "a".into(),
              6 => { e["headers"].as_object_mut().unwrap().remove("host"); e["requestContext"]["domainName"] = format!("a{c}b").into() },
              _ => { e["rawPath"] = format!("{c}").into() } }
            let r = try_(&e);
            if r.starts_with("PANIC") || r.starts_with("ERR") { bad.push((c as u32, r.starts_with("PANIC"))); worst = r; }
        }
        out += &format!("{what}: {:?} {worst}\n", bad.iter().map(|(c,p)| format!("{}{:x}", if *p {"!"} else {""}, c)).collect::<Vec<_>>().join(" "));
    }
    for p in ["", "x", "/calls/exotel/a?b", "/calls/exotel/a#b", "//evil", "/../x", "/calls/exotel/é"] { let mut e = ev(); e["rawPath"]=p.into(); e["rawQueryString"]="From=1&To=2".into(); out += &format!("path {p:?} -> {}\n", try_(&e)); }
    for q in ["a#b&From=1", "a?b", "?", "%", "%zz", "a=\"b\"", "é=1", "a b"] { let mut e = ev(); e["rawQueryString"]=q.into(); out += &format!("query {q:?} -> {}\n", try_(&e)); }
    for (n, len) in [("query", 65_000), ("query", 66_000)] { let mut e = ev(); e["rawQueryString"]="a".repeat(len).into(); out += &format!("{n} {len} -> {}\n", &try_(&e)[..60]); }
    let mut e = ev(); e["isBase64Encoded"]=true.into(); e["body"]="***".into(); out += &format!("base64 -> {}\n", try_(&e));
    let mut e = ev(); e["cookies"]=json!(["a=\u{0}"]); out += &format!("cookie -> {}\n", try_(&e));
    for m in ["", "GE T", "BREW", "gét"] { let mut e = ev(); e["requestContext"]["http"]["method"]=m.into(); out += &format!("method {m} -> {}\n", try_(&e)); }
    let mut e = ev(); e["requestContext"]["timeEpoch"]=json!("x"); out += &format!("epoch -> {}\n", try_(&e));
    let mut e = ev(); e["requestContext"]["stage"]=json!("prod"); out += &format!("stage -> {}\n", try_(&e));
    eprintln!("{out}");
}
