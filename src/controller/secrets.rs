//! Secrets, read one at a time by name when they are needed. They are never listed, watched or cached here.

use crate::base::limits;
use crate::base::object::Key;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// The data of a Secret; absent when there is no such Secret. Values that are not text are left out. `Err` is for people.
pub async fn read(client: &Client, key: &Key) -> Result<Option<BTreeMap<String, String>>, String> {
    let api = Api::<Secret>::namespaced(client.clone(), &key.namespace);
    let limit = Duration::from_secs(limits::WRITE_TIMEOUT_SECONDS);
    let secret = match timeout(limit, api.get_opt(&key.name)).await {
        Ok(Ok(Some(secret))) => secret,
        Ok(Ok(None)) => return Ok(None),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            return Err(format!(
                "secret '{}' may not be read: grant the verb \"get\" on \"secrets\" to Serin's service account",
                key.name
            ));
        }
        Ok(Err(kube::Error::Api(status))) => {
            return Err(format!(
                "secret '{}' cannot be read: {}",
                key.name, status.message
            ));
        }
        Ok(Err(error)) => return Err(format!("secret '{}' cannot be read: {error}", key.name)),
        Err(_) => {
            return Err(format!(
                "secret '{}' cannot be read: no answer from the API server",
                key.name
            ));
        }
    };
    let text = |(name, bytes): (String, ByteString)| Some((name, String::from_utf8(bytes.0).ok()?));
    Ok(Some(
        secret
            .data
            .unwrap_or_default()
            .into_iter()
            .filter_map(text)
            .collect(),
    ))
}
