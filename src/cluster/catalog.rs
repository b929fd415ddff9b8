//! Which resources there are: the built-in ones as a table, and those that definitions add. Decides nothing about
//! a single object.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::builtin::{CLUSTER_STATUS, Flags, Row, builtin};
use super::events::{self, Form};
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
    /// `plural.group`, or `plural` in the core group. A second form of a resource has the id of the first: it is the same
    /// objects.
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
    pub fields: Vec<String>,
    /// Built-in resources are read through their Rust types.
    pub typed: Option<Typed>,
    /// The schema of a custom resource.
    pub schema: Option<Arc<Value>>,
    /// Whether the schema has rules: the server says when it could not check them.
    pub ruled: bool,
    /// How its objects differ from those that are stored.
    pub form: Option<Form>,
    /// The version at which it was first served: the past before is not known to watches.
    pub since: u64,
}

impl Resource {
    pub fn custom(&self) -> bool {
        self.typed.is_none()
    }

    /// Whether an update must say which version it is of.
    pub fn needs_version(&self) -> bool {
        self.custom()
            || matches!(
                &*self.id,
                "leases.coordination.k8s.io" | "poddisruptionbudgets.policy" | DEFINITIONS
            )
    }

    /// The group that refusals of rules name: those of a second form are those of the first.
    pub fn rules_group(&self) -> &str {
        if self.form.is_some() { "" } else { &self.group }
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
        Failure::invalid(self.rules_group(), &self.kind, name, causes)
    }
}

/// The resource that holds the definitions of the others.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// What `kubectl get all` shows.
const ALL: [&str; 8] = [
    "daemonsets",
    "deployments",
    "horizontalpodautoscalers",
    "jobs",
    "pods",
    "replicasets",
    "services",
    "statefulsets",
];

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
        if let Some(stored) = catalog.by_id("events").cloned() {
            let other = events::second_form(&stored);
            let id = super::failure::qualified(&other.group, &other.plural);
            catalog.resources.insert(id.into(), Arc::new(other));
        }
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
        categories: if ALL.contains(&plural) {
            vec!["all".to_owned()]
        } else {
            Vec::new()
        },
        namespaced: flags.namespaced,
        status: flags.status,
        scale,
        generation: flags.generation,
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        typed: Some(typed),
        schema: None,
        ruled: false,
        form: None,
        since: 0,
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

    /// Whether the group has nothing but what definitions have added.
    pub fn all_custom(&self, group: &str) -> bool {
        self.all().all(|one| one.group != group || one.custom())
    }

    /// Serves the custom resource of a definition, or says what of it cannot be honoured here.
    /// `now` is the version of the last write.
    pub fn define(&mut self, definition: &Value, now: u64) -> Result<Arc<Resource>, Failure> {
        let mut resource = custom(definition)?;
        let id = Arc::clone(&resource.id);
        resource.since = self.resources.get(&id).map_or(now, |known| known.since);
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
        fields: selectable(stored),
        typed: None,
        ruled: schema::has_rules(document),
        schema: Some(Arc::new(document.clone())),
        form: None,
        since: 0,
        group,
        kind,
        plural,
        status,
    })
}

/// The fields that a version of a definition lets its objects be selected by.
fn selectable(version: &Value) -> Vec<String> {
    let paths = version["selectableFields"].as_array().into_iter().flatten();
    paths
        .filter_map(|one| Some(one["jsonPath"].as_str()?.trim_start_matches('.').to_owned()))
        .collect()
}

fn scale(paths: &Value) -> Option<Scale> {
    let pointer = |field: &str| Some(paths[field].as_str()?.replace('.', "/"));
    Some(Scale {
        spec: pointer("specReplicasPath")?,
        status: pointer("statusReplicasPath")?,
        selector: pointer("labelSelectorPath"),
    })
}
