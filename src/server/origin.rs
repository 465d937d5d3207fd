//! Whose pages may open sessions.
//!
//! A browser sends the `Origin` of the page (RFC 6454) and lets every page open a WebSocket
//! anywhere, so a node has to look. A request without one is not from a browser and may.

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;

use super::host::Host;
use crate::config::Origins;

/// Returns true if a request with these headers may open a session; `hosts` are those that it asks:
/// the header `Host`, and what a trusted proxy says.
pub(super) fn is_allowed(origins: &Origins, headers: &HeaderMap, hosts: &[Host]) -> bool {
    let mut sent = headers.get_all(ORIGIN).iter();
    let Some(origin) = sent.next() else {
        return true;
    };
    let (Ok(origin), None) = (origin.to_str(), sent.next()) else {
        return false;
    };
    match origins {
        Origins::Any => true,
        Origins::Only(list) => list
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin)),
        Origins::SameHost => is_same_host(origin, hosts),
    }
}

/// Returns true if a page of this origin was served by one of the hosts.
///
/// The scheme is not compared: behind a proxy that ends TLS a node does not know it. A port that is
/// not named is the scheme's on both sides.
fn is_same_host(origin: &str, hosts: &[Host]) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Some(origin) = Host::parse(authority) else {
        return false;
    };
    hosts.iter().any(|host| host.is_same(&origin, default_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origins: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn by_default_only_pages_of_the_host_that_is_asked_may() {
        for (origin, host, want) in [
            ("http://localhost:8080", "localhost:8080", true),
            ("http://LOCALHOST:8080", "localhost:8080", true),
            ("https://chat.example.com", "chat.example.com", true),
            ("https://chat.example.com", "chat.example.com:443", true),
            ("http://chat.example.com:80", "chat.example.com", true),
            ("http://[::1]:8080", "[0::1]:8080", true),
            ("http://localhost:8081", "localhost:8080", false),
            ("http://chat.example.com", "chat.example.com:443", false),
            ("https://evil.example", "chat.example.com", false),
            (
                "https://chat.example.com.evil.example",
                "chat.example.com",
                false,
            ),
            (
                "https://evil.example/chat.example.com",
                "chat.example.com",
                false,
            ),
            (
                "chrome-extension://chat.example.com",
                "chat.example.com",
                false,
            ),
            ("null", "chat.example.com", false),
            ("", "chat.example.com", false),
        ] {
            let hosts = [Host::parse(host).unwrap()];
            let allowed = is_allowed(&Origins::SameHost, &headers(&[origin]), &hosts);
            assert_eq!(allowed, want, "{origin} asks {host}");
        }
    }

    #[test]
    fn a_list_is_exact_and_a_star_lets_everybody_in() {
        let hosts = [Host::parse("chat.example.com").unwrap()];
        let only = Origins::Only(vec!["https://www.example.com".to_owned()]);
        for (origin, listed) in [
            ("https://www.example.com", true),
            ("https://chat.example.com", false),
            ("http://www.example.com", false),
            ("https://www.example.com:8443", false),
            ("null", false),
        ] {
            assert_eq!(
                is_allowed(&only, &headers(&[origin]), &hosts),
                listed,
                "{origin}"
            );
            assert!(
                is_allowed(&Origins::Any, &headers(&[origin]), &hosts),
                "{origin}"
            );
        }
    }

    #[test]
    fn no_origin_is_no_browser_and_two_are_nobody() {
        assert!(is_allowed(&Origins::SameHost, &headers(&[]), &[]));
        assert!(!is_allowed(&Origins::Any, &headers(&["null", "null"]), &[]));
    }

    #[test]
    fn the_host_that_a_proxy_names_counts_beside_the_one_asked() {
        let hosts = ["10.1.2.3:8080", "chat.example.com"].map(|host| Host::parse(host).unwrap());
        let page = headers(&["https://chat.example.com"]);
        assert!(is_allowed(&Origins::SameHost, &page, &hosts));
        assert!(!is_allowed(&Origins::SameHost, &page, &hosts[..1]));
    }
}
