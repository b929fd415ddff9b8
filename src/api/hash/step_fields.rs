// flat table
//! The fields of a canary step and everything below it, in the order in which Go prints them.

use crate::api::hash::pod_fields::LABEL_SELECTOR;
use crate::api::hash::shape::Kind::{self, Bool, I32, IntOrText, List, Map, Raw, Struct, Text};
use crate::api::hash::shape::{Fields, always, nullable, pointer, some};

pub(super) const STEPS: Kind = List(&Struct(CANARY_STEP));

const CANARY_STEP: Fields = &[
    pointer("setWeight", I32),
    pointer("pause", Struct(ROLLOUT_PAUSE)),
    pointer("experiment", Struct(ROLLOUT_EXPERIMENT_STEP)),
    pointer("analysis", Struct(ROLLOUT_ANALYSIS)),
    pointer("setCanaryScale", Struct(SET_CANARY_SCALE)),
    pointer("setHeaderRoute", Struct(SET_HEADER_ROUTE)),
    pointer("setMirrorRoute", Struct(SET_MIRROR_ROUTE)),
    pointer("plugin", Struct(PLUGIN_STEP)),
];
const ROLLOUT_PAUSE: Fields = &[pointer("duration", IntOrText)];
const ROLLOUT_EXPERIMENT_STEP: Fields = &[
    always("templates", List(&Struct(ROLLOUT_EXPERIMENT_TEMPLATE))),
    some("duration", Text),
    some(
        "analyses",
        List(&Struct(ROLLOUT_EXPERIMENT_STEP_ANALYSIS_TEMPLATE_REF)),
    ),
    some("dryRun", List(&Struct(DRY_RUN))),
    always("analysisRunMetadata", Struct(ANALYSIS_RUN_METADATA)),
    pointer("scaleDownDelaySeconds", I32),
];
const ROLLOUT_EXPERIMENT_TEMPLATE: Fields = &[
    always("name", Text),
    always("specRef", Text),
    pointer("replicas", I32),
    always("metadata", Struct(POD_TEMPLATE_METADATA)),
    pointer("selector", Struct(LABEL_SELECTOR)),
    pointer("weight", I32),
    pointer("service", Struct(TEMPLATE_SERVICE)),
];
const POD_TEMPLATE_METADATA: Fields = &[some("labels", Map(&Text)), some("annotations", Map(&Text))];
const TEMPLATE_SERVICE: Fields = &[some("name", Text)];
const ROLLOUT_EXPERIMENT_STEP_ANALYSIS_TEMPLATE_REF: Fields = &[
    always("name", Text),
    always("templateName", Text),
    pointer("clusterScope", Bool),
    some("args", List(&Struct(ANALYSIS_RUN_ARGUMENT))),
    some("requiredForCompletion", Bool),
];
pub(super) const ANALYSIS_RUN_ARGUMENT: Fields = &[
    always("name", Text),
    some("value", Text),
    pointer("valueFrom", Struct(ARGUMENT_VALUE_FROM)),
];
const ARGUMENT_VALUE_FROM: Fields = &[
    pointer("podTemplateHashValue", Text),
    pointer("fieldRef", Struct(FIELD_REF)),
];
const FIELD_REF: Fields = &[always("fieldPath", Text)];
const DRY_RUN: Fields = &[always("metricName", Text)];
const ANALYSIS_RUN_METADATA: Fields = &[some("labels", Map(&Text)), some("annotations", Map(&Text))];
const ROLLOUT_ANALYSIS: Fields = &[
    some("templates", List(&Struct(ANALYSIS_TEMPLATE_REF))),
    some("args", List(&Struct(ANALYSIS_RUN_ARGUMENT))),
    some("dryRun", List(&Struct(DRY_RUN))),
    some("measurementRetention", List(&Struct(MEASUREMENT_RETENTION))),
    pointer("analysisRunMetadata", Struct(ANALYSIS_RUN_METADATA)),
];
const ANALYSIS_TEMPLATE_REF: Fields = &[always("templateName", Text), pointer("clusterScope", Bool)];
const MEASUREMENT_RETENTION: Fields = &[always("metricName", Text), always("limit", I32)];
const SET_CANARY_SCALE: Fields = &[
    pointer("weight", I32),
    pointer("replicas", I32),
    some("matchTrafficWeight", Bool),
];
pub(super) const SET_HEADER_ROUTE: Fields = &[
    some("name", Text),
    some("match", List(&Struct(HEADER_ROUTING_MATCH))),
];
const HEADER_ROUTING_MATCH: Fields = &[
    always("headerName", Text),
    nullable("headerValue", Struct(STRING_MATCH)),
];
pub(super) const STRING_MATCH: Fields = &[some("exact", Text), some("prefix", Text), some("regex", Text)];
pub(super) const SET_MIRROR_ROUTE: Fields = &[
    always("name", Text),
    some("match", List(&Struct(ROUTE_MATCH))),
    pointer("percentage", I32),
];
const ROUTE_MATCH: Fields = &[
    pointer("method", Struct(STRING_MATCH)),
    pointer("path", Struct(STRING_MATCH)),
    some("headers", Map(&Struct(STRING_MATCH))),
];
const PLUGIN_STEP: Fields = &[always("name", Text), some("config", Raw)];
