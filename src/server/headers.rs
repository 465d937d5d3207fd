//! What every answer of the public listener carries.
//!
//! The policy lets a page load from its own host and nowhere else, and run nothing that is written
//! inside the page. A request whose host is not one is refused before anything else happens: the
//! host is repeated in the policy.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{StatusCode, Version};
use axum::middleware::Next;
use axum::response::Response;

use super::accept::Peer;
use super::host::Host;
use super::proxies::Proxies;
use super::refusal::{Form, Refusal};
use crate::protocol::ErrorCode;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// The hosts of a request; they are among its extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(pub(super) Vec<Host>);

/// Refuses a request without a valid host, and adds the headers to the answer of every other one.
pub(super) async fn guard(
    State(proxies): State<Arc<Proxies>>,
    mut request: Request,
    next: Next,
) -> Response {
    let form = Form::of(request.uri(), request.headers());
    let (hosts, mut response) = match hosts(&request, &proxies) {
        Ok(hosts) => {
            request.extensions_mut().insert(hosts.clone());
            (hosts, next.run(request).await)
        }
        Err(refusal) => (Hosts::default(), refusal.respond(form)),
    };
    // What follows 101 is no page.
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        add(&mut response, hosts.0.last());
    }
    response
}

/// Returns the host that is asked, then the one that a trusted proxy says the page was asked for.
fn hosts(request: &Request, proxies: &Proxies) -> Result<Hosts, Refusal> {
    let mut hosts = Vec::new();
    if let Some(authority) = request.uri().authority() {
        // The target comes before the header (RFC 9112 section 3.2.2).
        hosts.push(Host::parse(authority.as_str()).ok_or_else(bad_host)?);
    } else {
        let mut sent = request.headers().get_all(HOST).iter();
        match (sent.next(), sent.next()) {
            (Some(host), None) => {
                let host = host.to_str().ok().and_then(Host::parse);
                hosts.push(host.ok_or_else(bad_host)?);
            }
            (None, None) if request.version() == Version::HTTP_10 => {}
            _ => return Err(bad_host()),
        }
    }
    if let Some(peer) = request.extensions().get::<Peer>() {
        hosts.extend(proxies.host(peer.address, request.headers()));
    }
    Ok(Hosts(hosts))
}

fn bad_host() -> Refusal {
    let message = "the request needs one Host header: the name or address of the node, and its port if that is not \
                   the usual one";
    Refusal {
        field: Some("host".to_owned()),
        ..Refusal::new(ErrorCode::BadField, message)
    }
}

fn add(response: &mut Response, host: Option<&Host>) {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy(host));
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (
            PERMISSIONS_POLICY,
            "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
             microphone=(), midi=(), payment=(), usb=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The content security policy of a page of this host.
fn policy(host: Option<&Host>) -> HeaderValue {
    // Safari before 15.4 does not count ws and wss of the same host as 'self'.
    let sessions = match host.filter(|host| host.fits_policy()) {
        Some(host) => format!(" ws://{host} wss://{host}"),
        None => String::new(),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'{sessions}; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("a host has only characters that a header may have")
}
