//! `spec.strategy.canary.trafficRouting`: the routers that a canary may drive.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficRouting {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub istio: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nginx: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alb: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smi: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ambassador: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_mesh: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traefik: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apisix: Option<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, Value>,
    #[serde(rename = "gatewayAPI", skip_serializing_if = "Option::is_none")]
    pub gateway_api: Option<GatewayApi>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_routes: Vec<ManagedRoute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_traffic_weight: Option<i32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedRoute {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayApi {
    #[serde(rename = "httpRoute", skip_serializing_if = "Option::is_none")]
    pub http_route: Option<String>,
    #[serde(rename = "httpRoutes", skip_serializing_if = "Vec::is_empty")]
    pub http_routes: Vec<GatewayRoute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayRoute {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}
