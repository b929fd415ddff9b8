//! Applying manifests as a user would, by server-side apply: any kind that the cluster serves, so that the API
//! server's own validation is always part of the test.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::{Api, Client, discovery};
use serde_json::Value;

use super::wait::within;

/// The field manager of everything that tests apply.
pub const MANAGER: &str = "serin-e2e";

/// The harness's own small `HTTPRoute` CRD.
pub const HTTPROUTE_CRD: &str = include_str!("../../src/simulate/crds/httproute.yaml");

/// Those of Istio's kinds.
const ISTIO_CRDS: [&str; 2] = [
    include_str!("../../src/simulate/crds/virtualservice.yaml"),
    include_str!("../../src/simulate/crds/destinationrule.yaml"),
];

/// The CRDs that every plane gets: those of routers in tests, and the project's own from `crds/`.
pub fn crds() -> Result<Vec<String>> {
    let mut all = vec![HTTPROUTE_CRD.to_owned()];
    all.extend(ISTIO_CRDS.map(str::to_owned));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Ok(all);
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "yaml") {
            all.push(std::fs::read_to_string(path)?);
        }
    }
    Ok(all)
}

/// Applies the cluster-wide objects of `yaml` that do not exist; the others stay as they are.
pub async fn apply_missing(client: &Client, yaml: &str) -> Result<()> {
    for document in documents(yaml)? {
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        if api_for(client, "default", &document)
            .await?
            .get_opt(name)
            .await?
            .is_none()
        {
            apply_one(client, "default", &document).await?;
        }
    }
    Ok(())
}

/// The documents of a YAML text; empty ones are left out, and the items of a List are taken one by one.
pub fn documents(yaml: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(yaml).context("the manifest is not YAML")?;
    let flat = all.into_iter().flat_map(|document| match document.get("items") {
        Some(Value::Array(items)) if document["kind"] == "List" => items.clone(),
        _ => vec![document],
    });
    Ok(flat.filter(|document| !document.is_null()).collect())
}

/// Applies every document of `yaml`. Namespaced objects without a namespace go into `namespace`.
pub async fn apply(client: &Client, namespace: &str, yaml: &str) -> Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for document in documents(yaml)? {
        applied.push(apply_one(client, namespace, &document).await?);
    }
    Ok(applied)
}

/// Applies one object; the answer is the object as the API server stored it.
pub async fn apply_one(client: &Client, namespace: &str, document: &Value) -> Result<DynamicObject> {
    let name = document["metadata"]["name"]
        .as_str()
        .ok_or_else(|| anyhow!("metadata.name is missing"))?;
    let kind = document["kind"].as_str().unwrap_or_default();
    let api = api_for(client, namespace, document).await?;
    let params = PatchParams::apply(MANAGER).force();
    let applied = api.patch(name, &params, &Patch::Apply(document)).await;
    let applied = applied.with_context(|| format!("failed to apply {kind} {name}"))?;
    if kind == "CustomResourceDefinition" {
        wait_established(client, name).await?;
    }
    Ok(applied)
}

/// Deletes one object that a manifest describes; one that is gone already is no error.
pub async fn delete_one(client: &Client, namespace: &str, document: &Value) -> Result<()> {
    let name = document["metadata"]["name"].as_str().unwrap_or_default();
    match api_for(client, namespace, document)
        .await?
        .delete(name, &kube::api::DeleteParams::default())
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(other) => Err(other.into()),
        Ok(_) => Ok(()),
    }
}

/// The API of the kind that `document` says, in its own namespace or else in `namespace`.
pub async fn api_for(client: &Client, namespace: &str, document: &Value) -> Result<Api<DynamicObject>> {
    let text = |field: &str| {
        document[field]
            .as_str()
            .ok_or_else(|| anyhow!("{field} is missing"))
    };
    let (group, version) = match text("apiVersion")?.split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", text("apiVersion")?),
    };
    let gvk = GroupVersionKind::gvk(group, version, text("kind")?);
    let (resource, capabilities) = discovery::pinned_kind(client, &gvk).await.with_context(|| {
        format!(
            "the cluster does not serve {} {}",
            text("apiVersion").unwrap_or(""),
            gvk.kind
        )
    })?;
    Ok(match capabilities.scope {
        discovery::Scope::Cluster => Api::all_with(client.clone(), &resource),
        discovery::Scope::Namespaced => {
            let own = document["metadata"]["namespace"].as_str();
            Api::namespaced_with(client.clone(), own.unwrap_or(namespace), &resource)
        }
    })
}

/// Waits until the API server serves the resource of a CRD.
async fn wait_established(client: &Client, name: &str) -> Result<()> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crds = &crds;
    let established = within(Duration::from_secs(20), || async move {
        let crd = crds.get(name).await?;
        let conditions = crd
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        match conditions
            .iter()
            .find(|condition| condition.type_ == "Established")
        {
            Some(condition) if condition.status == "True" => Ok(()),
            _ => Err(anyhow!("its conditions are {conditions:?}")),
        }
    });
    if let Err(missing) = established.await {
        bail!("the CRD {name} was not established: {missing}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_apart_and_empty_documents_left_out() {
        let yaml = "---\nkind: List\nitems:\n- kind: A\n- kind: B\n---\n---\nkind: C\n";
        let kinds: Vec<String> = documents(yaml)
            .unwrap()
            .iter()
            .map(|one| one["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, ["A", "B", "C"]);
    }
}
