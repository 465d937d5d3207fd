//! The fleet's identity key: whoever comes first keeps it in Redis, all others take it from there.

use std::time::Instant;

use bytes::Bytes;
use redis::Value;

use super::super::Unavailable;
use super::link::Link;

/// Returns the key that Redis keeps, after offering `candidate`.
///
/// # Errors
/// [`Unavailable`] when no answer came within the setting `limits.send_timeout`, or Redis could not keep it.
pub async fn key(link: &Link, candidate: &Bytes) -> Result<Bytes, Unavailable> {
    let until = Instant::now() + link.options().send_timeout;
    let name = link.keys().identity();
    let mut pipeline = redis::pipe();
    pipeline
        .cmd("SET")
        .arg(&name)
        .arg(&candidate[..])
        .arg("NX")
        .cmd("GET")
        .arg(&name);
    let results = link
        .ask(&mut pipeline, until)
        .await
        .map_err(|fault| Unavailable(fault.to_string()))?;
    let mut refused = None;
    for result in results {
        match result {
            Ok(Value::BulkString(key)) if !key.is_empty() => return Ok(key.into()),
            Ok(_) => {}
            Err(error) => refused = Some(link.fault(&error).to_string()),
        }
    }
    Err(Unavailable(refused.unwrap_or_else(|| {
        "Redis does not keep the identity key".to_owned()
    })))
}
