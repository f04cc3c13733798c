//! Messages as text, changed by hand: for what no phone of the lab says by itself.

/// Without its body.
pub(crate) fn without_body(message: &str) -> String {
    let (head, _) = message.split_once("\r\n\r\n").expect("a whole message");
    let kept = head.split("\r\n").filter(|line| !line.starts_with("Content-"));
    let head: Vec<&str> = kept.collect();
    format!("{}\r\nContent-Length: 0\r\n\r\n", head.join("\r\n"))
}

/// With this SDP as its body.
pub(crate) fn with_sdp(message: &str, sdp: &str) -> String {
    let empty = without_body(message);
    let head = empty.strip_suffix("Content-Length: 0\r\n\r\n").expect("no body");
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
}

/// As another method.
pub(crate) fn as_method(message: &str, before: &str, after: &str) -> String {
    let (start, rest) = message.split_once("\r\n").expect("a start line");
    let start = start.replacen(before, after, 1);
    format!("{start}\r\n{}", rest.replacen(&format!(" {before}\r\n"), &format!(" {after}\r\n"), 1))
}

/// With these header lines more.
pub(crate) fn with_headers(message: &str, headers: &str) -> String {
    message.replacen("\r\nContent-Length:", &format!("\r\n{headers}Content-Length:"), 1)
}
