//! Which resources there are: the built-in ones as a table, and those that definitions add. Decides nothing about
//! a single object.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::builtin::{CLUSTER_STATUS, Flags, Row, builtin};
use super::failure::{Cause, Failure};
use super::schema;
use super::typed::{self, Typed};

/// What makes `metadata.generation` rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The resource has none.
    Never,
    /// A change of `spec`.
    Spec,
    /// A change of anything but `metadata` and `status`.
    AllButStatus,
    /// A change of anything but `metadata`.
    All,
}

/// Where the scale subresource finds its numbers, as JSON pointers.
#[derive(Clone, Debug)]
pub struct Scale {
    pub spec: String,
    pub status: String,
    pub selector: Option<String>,
}

/// One resource as it is served.
#[derive(Clone, Debug)]
pub struct Resource {
    /// `plural.group`, or `plural` in the core group.
    pub id: Arc<str>,
    pub group: String,
    pub version: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub short: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub status: bool,
    pub scale: Option<Scale>,
    pub generation: Generation,
    /// Fields it can be selected by, beside name and namespace.
    pub fields: &'static [&'static str],
    /// Built-in resources are read through their Rust types.
    pub typed: Option<Typed>,
    /// The schema of a custom resource.
    pub schema: Option<Arc<Value>>,
}

impl Resource {
    pub fn custom(&self) -> bool {
        self.typed.is_none()
    }

    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The key in the server's own store, which some error messages show.
    pub fn storage_path(&self, namespace: &str, name: &str) -> String {
        let folder = match (self.custom(), self.plural.as_str()) {
            (true, plural) => format!("{}/{plural}", self.group),
            (_, "services") => "services/specs".to_owned(),
            (_, "nodes") => "minions".to_owned(),
            (_, plural) => plural.to_owned(),
        };
        let namespace = if self.namespaced {
            format!("{namespace}/")
        } else {
            String::new()
        };
        format!("/registry/{folder}/{namespace}{name}")
    }

    pub fn not_found(&self, name: &str) -> Failure {
        Failure::not_found(&self.group, &self.plural, name)
    }

    pub fn conflict(&self, name: &str, why: &str) -> Failure {
        Failure::conflict(&self.group, &self.plural, name, why)
    }

    pub fn modified(&self, name: &str) -> Failure {
        Failure::modified(&self.group, &self.plural, name)
    }

    pub fn invalid(&self, name: &str, causes: &[Cause]) -> Failure {
        Failure::invalid(&self.group, &self.kind, name, causes)
    }
}

/// The resource that holds the definitions of the others.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// All resources, by id.
#[derive(Clone, Debug)]
pub struct Catalog {
    resources: BTreeMap<Arc<str>, Arc<Resource>>,
}

impl Default for Catalog {
    fn default() -> Self {
        let mut catalog = Self {
            resources: BTreeMap::new(),
        };
        for row in builtin() {
            catalog.add(from_row(row));
        }
        let definitions = Row(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            &["crd", "crds"],
            Flags {
                generation: Generation::Spec,
                ..CLUSTER_STATUS
            },
            &[],
            typed::untyped(),
        );
        catalog.add(from_row(definitions));
        catalog
    }
}

fn from_row(Row(group, version, kind, plural, short, flags, fields, typed): Row) -> Resource {
    let scale = flags.scale.then(|| Scale {
        spec: "/spec/replicas".to_owned(),
        status: "/status/replicas".to_owned(),
        selector: None,
    });
    Resource {
        id: super::failure::qualified(group, plural).into(),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        list_kind: format!("{kind}List"),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        short: short.iter().map(|&name| name.to_owned()).collect(),
        categories: Vec::new(),
        namespaced: flags.namespaced,
        status: flags.status,
        scale,
        generation: flags.generation,
        fields,
        typed: Some(typed),
        schema: None,
    }
}

impl Catalog {
    fn add(&mut self, resource: Resource) {
        self.resources
            .insert(Arc::clone(&resource.id), Arc::new(resource));
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    pub fn by_id(&self, id: &str) -> Option<&Arc<Resource>> {
        self.resources.get(id)
    }

    pub fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let found = self
            .resources
            .get(super::failure::qualified(group, plural).as_str())?;
        (found.version == version).then_some(found)
    }

    pub fn by_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.all()
            .find(|one| one.kind == kind && one.api_version() == api_version)
    }

    /// Whether the group is served in this version.
    pub fn serves(&self, group: &str, version: &str) -> bool {
        self.all().any(|one| one.group == group && one.version == version)
    }

    /// Serves the custom resource of a definition, or says what of it cannot be honoured here.
    pub fn define(&mut self, definition: &Value) -> Result<Arc<Resource>, Failure> {
        let resource = custom(definition)?;
        let id = Arc::clone(&resource.id);
        let resource = Arc::new(resource);
        self.resources.insert(id, Arc::clone(&resource));
        Ok(resource)
    }

    pub fn forget(&mut self, id: &str) {
        self.resources.remove(id);
    }
}

fn custom(definition: &Value) -> Result<Resource, Failure> {
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    let refuse =
        |cause: Cause| Failure::invalid("apiextensions.k8s.io", "CustomResourceDefinition", name, &[cause]);
    let spec = &definition["spec"];
    let word = |value: &Value, field: &str| match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(refuse(Cause::required(field, ""))),
    };
    let (group, names) = (word(&spec["group"], "spec.group")?, &spec["names"]);
    let (plural, kind) = (
        word(&names["plural"], "spec.names.plural")?,
        word(&names["kind"], "spec.names.kind")?,
    );
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        return Err(refuse(Cause::invalid(
            "metadata.name",
            format!("\"{name}\""),
            why,
        )));
    }
    let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(stored) = versions.iter().find(|one| one["storage"] == true) else {
        let why = "must have exactly one version marked as storage version";
        return Err(refuse(Cause::invalid("spec.versions", "null", why)));
    };
    let document = &stored["schema"]["openAPIV3Schema"];
    schema::refuse_unknown_rules(document).map_err(|cause| refuse(*cause))?;
    let status = stored["subresources"]["status"].is_object();
    let strings = |value: &Value| -> Vec<String> {
        let list = value.as_array().map_or(&[][..], Vec::as_slice);
        list.iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect()
    };
    Ok(Resource {
        id: name.into(),
        version: word(&stored["name"], "spec.versions[0].name")?,
        list_kind: names["listKind"]
            .as_str()
            .map_or_else(|| format!("{kind}List"), str::to_owned),
        singular: names["singular"]
            .as_str()
            .map_or_else(|| kind.to_lowercase(), str::to_owned),
        short: strings(&names["shortNames"]),
        categories: strings(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        scale: scale(&stored["subresources"]["scale"]),
        generation: if status {
            Generation::AllButStatus
        } else {
            Generation::All
        },
        fields: &[],
        typed: None,
        schema: Some(Arc::new(document.clone())),
        group,
        kind,
        plural,
        status,
    })
}

fn scale(paths: &Value) -> Option<Scale> {
    let pointer = |field: &str| Some(paths[field].as_str()?.replace('.', "/"));
    Some(Scale {
        spec: pointer("specReplicasPath")?,
        status: pointer("statusReplicasPath")?,
        selector: pointer("labelSelectorPath"),
    })
}
