//! `spec.strategy.canary.trafficRouting`: the routers that a canary may drive. Field comments are the descriptions of the custom
//! resource. Knows no router's objects; `route` does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Who splits the traffic. Several routers may be set; all of them get the same weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficRouting {
    /// Istio: weights of a VirtualService, by host or by subset of a DestinationRule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub istio: Option<Istio>,
    /// Ingress NGINX: a second Ingress with canary annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nginx: Option<Nginx>,
    /// AWS Load Balancer Controller: the forward action in an annotation of an Ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alb: Option<Alb>,
    /// Service Mesh Interface: a TrafficSplit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smi: Option<Smi>,
    /// Ambassador (Emissary): a second Mapping with a weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ambassador: Option<Ambassador>,
    /// AWS App Mesh: weighted targets of a virtual router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_mesh: Option<AppMesh>,
    /// Traefik: a weighted TraefikService.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traefik: Option<Traefik>,
    /// Apache APISIX: weights of an ApisixRoute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apisix: Option<Apisix>,
    /// Router plugins, by name. `argoproj-labs/gatewayAPI` is built in and takes the keys of `gatewayAPI`. Example:
    /// `{argoproj-labs/gatewayAPI: {httpRoute: shop, namespace: default}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::api::crd::marks::any_object")]
    pub plugins: BTreeMap<String, Value>,
    /// Gateway API: weights of the `backendRefs` of HTTPRoutes. An extension of Serin; Argo Rollouts ignores it, so for manifests
    /// that must work under both write it as the plugin `argoproj-labs/gatewayAPI`.
    #[serde(rename = "gatewayAPI", skip_serializing_if = "Option::is_none")]
    pub gateway_api: Option<GatewayApi>,
    /// Routes that the controller may create and remove for `setHeaderRoute` and `setMirrorRoute`, first match first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_routes: Vec<ManagedRoute>,
    /// What counts as all of the traffic. Default 100; 1000 allows tenths of a percent. Only with NGINX, plugins and `gatewayAPI`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_traffic_weight: Option<i32>,
}

/// A route that belongs to the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct ManagedRoute {
    /// Name of the route; no route of yours may have it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// HTTPRoutes whose weights follow the canary: `httpRoute`, or several `httpRoutes`. Each must have `backendRefs` for the stable
/// and the canary Service; other backends stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayApi {
    /// Name of the HTTPRoute.
    #[serde(rename = "httpRoute", skip_serializing_if = "Option::is_none")]
    pub http_route: Option<String>,
    /// Several HTTPRoutes; all get the same weights.
    #[serde(rename = "httpRoutes", skip_serializing_if = "Vec::is_empty")]
    pub http_routes: Vec<GatewayRoute>,
    /// Namespace of the HTTPRoutes. Default: the Rollout's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// One HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct GatewayRoute {
    /// Name of the HTTPRoute.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// `virtualService` or `virtualServices`, and `destinationRule` to split by subset instead of by Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Istio {
    /// The VirtualService with the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_service: Option<IstioVirtualService>,
    /// Several VirtualServices instead of one; all get the same weights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub virtual_services: Vec<IstioVirtualService>,
    /// The DestinationRule with a subset for each version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_rule: Option<IstioDestinationRule>,
}

/// A VirtualService, and which of its routes to split. Without any list the only route is taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct IstioVirtualService {
    /// Name of the VirtualService, or `name.namespace` for one elsewhere.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Names of its HTTP routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Its TLS routes, by port and SNI hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tls_routes: Vec<IstioTlsRoute>,
    /// Its TCP routes, by port.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tcp_routes: Vec<IstioTcpRoute>,
}

/// A TLS route: the one that matches both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IstioTlsRoute {
    /// Port in the route's match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// SNI hosts in the route's match; all of them, in any order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sni_hosts: Vec<String>,
}

/// A TCP route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IstioTcpRoute {
    /// Port in the route's match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
}

/// A DestinationRule whose subsets the controller keeps on the pod-template hashes of the two versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "canarySubsetName", "stableSubsetName"]))]
pub struct IstioDestinationRule {
    /// Name of the DestinationRule.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its subset for the canary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub canary_subset_name: String,
    /// Its subset for the stable version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stable_subset_name: String,
    /// Subsets of yours that have a weight in the VirtualService and must keep it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_subset_names: Vec<String>,
}

/// An Ingress for the stable Service; the controller makes and owns a canary Ingress beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Nginx {
    /// Prefix of the annotations. Default `nginx.ingress.kubernetes.io`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation_prefix: Option<String>,
    /// Name of the Ingress with a path to `stableService`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_ingress: Option<String>,
    /// Several Ingresses instead of one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stable_ingresses: Vec<String>,
    /// Annotations for the canary Ingress; the prefix is put before each. Example: `{canary-by-header: X-Canary}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub additional_ingress_annotations: BTreeMap<String, String>,
    /// Annotations for the canary Ingress, taken as they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub canary_ingress_annotations: BTreeMap<String, String>,
}

/// An Ingress of the AWS Load Balancer Controller whose rule for the root Service is `use-annotation`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["servicePort"]))]
pub struct Alb {
    /// Name of the Ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<String>,
    /// Several Ingresses instead of one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingresses: Vec<String>,
    /// Port of the Services in the forward action.
    pub service_port: i32,
    /// Service that the Ingress's rule names. Default: `stableService`. Needed with `pingPong`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_service: Option<String>,
    /// Prefix of the annotations. Default `alb.ingress.kubernetes.io`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation_prefix: Option<String>,
    /// Keep a client on the version that served it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stickiness_config: Option<AlbStickiness>,
}

/// Stickiness between target groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["enabled", "durationSeconds"]))]
pub struct AlbStickiness {
    /// Whether clients stay where they were.
    pub enabled: bool,
    /// For how many seconds, from 1 to 604800 (a week).
    pub duration_seconds: i64,
}

/// A TrafficSplit, made and owned by the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Smi {
    /// Service that clients call. Default: `stableService`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_service: Option<String>,
    /// Name of the TrafficSplit. Default: the Rollout's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_split_name: Option<String>,
}

/// Mappings to the stable Service; the controller makes a canary Mapping beside each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["mappings"]))]
pub struct Ambassador {
    /// Names of the Mappings. None of them may have a weight of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<String>,
}

/// A virtual service, whose virtual router has the weights, and a virtual node for each version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AppMesh {
    /// The virtual service; its provider must be a virtual router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_service: Option<AppMeshVirtualService>,
    /// The virtual nodes of the two versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_node_group: Option<AppMeshVirtualNodeGroup>,
}

/// A virtual service, and which routes of its router to split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct AppMeshVirtualService {
    /// Name of the virtual service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Names of the routes. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
}

/// A virtual node for each version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["canaryVirtualNodeRef", "stableVirtualNodeRef"]))]
pub struct AppMeshVirtualNodeGroup {
    /// The virtual node for the canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_virtual_node_ref: Option<AppMeshVirtualNodeRef>,
    /// The virtual node for the stable version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_virtual_node_ref: Option<AppMeshVirtualNodeRef>,
}

/// A virtual node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct AppMeshVirtualNodeRef {
    /// Name of the virtual node.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A weighted TraefikService with an entry for each of the two Services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["weightedTraefikServiceName"]))]
pub struct Traefik {
    /// Name of the TraefikService.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub weighted_traefik_service_name: String,
}

/// An ApisixRoute with a backend for each of the two Services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Apisix {
    /// The route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<ApisixRoute>,
}

/// An ApisixRoute, and which of its rules to split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct ApisixRoute {
    /// Name of the ApisixRoute.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Names of its rules. Default: the one rule that has the route's name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}
