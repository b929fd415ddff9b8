//! Addresses of providers: whether they can be called, and what of them may be shown.

/// The host (with its port, without credentials) of an `http` or `https` address; `None` when it is no such address.
pub fn host(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    if address.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let (name, port) = match host.rfind(':').filter(|colon| !host[*colon..].contains(']')) {
        Some(colon) => (&host[..colon], &host[colon + 1..]),
        None => (host, ""),
    };
    (!name.is_empty() && port.chars().all(|c| c.is_ascii_digit())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn only_http_addresses_have_a_host() {
        let check = |address: &str, want: Option<&str>| assert_eq!(host(address), want, "{address}");
        check(
            "http://prometheus.monitoring:9090",
            Some("prometheus.monitoring:9090"),
        );
        check("HTTPS://prometheus/prefix?x=1", Some("prometheus"));
        check("http://[::1]:9090/", Some("[::1]:9090"));
        check("http://[::1]", Some("[::1]"));
        check("https://user:pass@host/path", Some("host"));
        for refused in [
            "",
            "prometheus:9090",
            "prometheus",
            "ftp://host",
            "http://",
            "http://:9090",
            "http:///path",
            "http://h:port",
            "http://a b",
            "http://user@",
            "://host",
        ] {
            check(refused, None);
        }
    }
}
