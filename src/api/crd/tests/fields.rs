// flat table
//! Every field of the five kinds, as Argo Rollouts has them: where, name, type, and `*` if it must be there.
//!
//! Written down apart from the types, so that a slip in a type shows. `[]` goes into a list, `{}` into the values of a map.
//! Types: `s` text, `b` boolean, `i` 32-bit and `l` 64-bit integer, `t` time, `x` integer or text, `o` object, `m` map of texts,
//! `os` and `ss` lists of objects and texts, `any` whatever the user writes, `any-o` an object of whatever.

pub(super) const ROLLOUT: &[(&str, &str)] = &[
    (
        "spec",
        "replicas:i selector:o template:o workloadRef:o minReadySeconds:i rollbackWindow:o strategy:o revisionHistoryLimit:i \
         paused:b progressDeadlineSeconds:i progressDeadlineAbort:b restartAt:t analysis:o",
    ),
    ("spec.selector", "matchLabels:m matchExpressions:os"),
    ("spec.selector.matchExpressions[]", "key:s* operator:s* values:ss"),
    ("spec.workloadRef", "apiVersion:s kind:s name:s scaleDown:s"),
    ("spec.rollbackWindow", "revisions:i"),
    (
        "spec.analysis",
        "successfulRunHistoryLimit:i unsuccessfulRunHistoryLimit:i",
    ),
    ("spec.strategy", "blueGreen:o canary:o"),
    (
        "spec.strategy.blueGreen",
        "activeService:s* previewService:s previewReplicaCount:i autoPromotionEnabled:b autoPromotionSeconds:i maxUnavailable:x \
         scaleDownDelaySeconds:i scaleDownDelayRevisionLimit:i prePromotionAnalysis:o postPromotionAnalysis:o antiAffinity:o \
         previewMetadata:o activeMetadata:o abortScaleDownDelaySeconds:i",
    ),
    ("spec.strategy.blueGreen.prePromotionAnalysis", ANALYSIS),
    ("spec.strategy.blueGreen.postPromotionAnalysis", ANALYSIS),
    ("spec.strategy.blueGreen.antiAffinity", ANTI_AFFINITY),
    (
        "spec.strategy.blueGreen.antiAffinity.preferredDuringSchedulingIgnoredDuringExecution",
        "weight:i*",
    ),
    (
        "spec.strategy.blueGreen.antiAffinity.requiredDuringSchedulingIgnoredDuringExecution",
        "",
    ),
    ("spec.strategy.blueGreen.previewMetadata", METADATA),
    ("spec.strategy.blueGreen.activeMetadata", METADATA),
    (
        "spec.strategy.canary",
        "canaryService:s stableService:s steps:os trafficRouting:o maxSurge:x maxUnavailable:x analysis:o antiAffinity:o \
         canaryMetadata:o stableMetadata:o scaleDownDelaySeconds:i scaleDownDelayRevisionLimit:i abortScaleDownDelaySeconds:i \
         dynamicStableScale:b pingPong:o minPodsPerReplicaSet:i replicaProgressThreshold:o",
    ),
    (
        "spec.strategy.canary.analysis",
        "templates:os args:os dryRun:os measurementRetention:os analysisRunMetadata:o startingStep:i",
    ),
    ("spec.strategy.canary.antiAffinity", ANTI_AFFINITY),
    ("spec.strategy.canary.canaryMetadata", METADATA),
    ("spec.strategy.canary.stableMetadata", METADATA),
    ("spec.strategy.canary.pingPong", "pingService:s* pongService:s*"),
    (
        "spec.strategy.canary.replicaProgressThreshold",
        "type:s* value:i*",
    ),
    (
        "spec.strategy.canary.steps[]",
        "setWeight:i pause:o setCanaryScale:o analysis:o experiment:o setHeaderRoute:o setMirrorRoute:o plugin:o",
    ),
    ("spec.strategy.canary.steps[].pause", "duration:x"),
    (
        "spec.strategy.canary.steps[].setCanaryScale",
        "weight:i replicas:i matchTrafficWeight:b",
    ),
    ("spec.strategy.canary.steps[].analysis", ANALYSIS),
    (
        "spec.strategy.canary.steps[].analysis.templates[]",
        "templateName:s clusterScope:b",
    ),
    (
        "spec.strategy.canary.steps[].analysis.args[]",
        "name:s* value:s valueFrom:o",
    ),
    (
        "spec.strategy.canary.steps[].analysis.args[].valueFrom",
        "podTemplateHashValue:s fieldRef:o",
    ),
    (
        "spec.strategy.canary.steps[].analysis.args[].valueFrom.fieldRef",
        "fieldPath:s*",
    ),
    ("spec.strategy.canary.steps[].analysis.dryRun[]", "metricName:s*"),
    (
        "spec.strategy.canary.steps[].analysis.measurementRetention[]",
        "metricName:s* limit:i*",
    ),
    (
        "spec.strategy.canary.steps[].analysis.analysisRunMetadata",
        METADATA,
    ),
    (
        "spec.strategy.canary.steps[].experiment",
        "templates:os* duration:s analyses:os dryRun:os analysisRunMetadata:o scaleDownDelaySeconds:i",
    ),
    (
        "spec.strategy.canary.steps[].experiment.templates[]",
        "name:s* specRef:s* replicas:i metadata:o selector:o weight:i service:o",
    ),
    (
        "spec.strategy.canary.steps[].experiment.templates[].metadata",
        METADATA,
    ),
    (
        "spec.strategy.canary.steps[].experiment.templates[].selector",
        "matchLabels:m matchExpressions:os",
    ),
    (
        "spec.strategy.canary.steps[].experiment.templates[].service",
        "name:s",
    ),
    (
        "spec.strategy.canary.steps[].experiment.analyses[]",
        "name:s* templateName:s* clusterScope:b args:os requiredForCompletion:b",
    ),
    ("spec.strategy.canary.steps[].setHeaderRoute", "name:s match:os"),
    (
        "spec.strategy.canary.steps[].setHeaderRoute.match[]",
        "headerName:s* headerValue:o*",
    ),
    (
        "spec.strategy.canary.steps[].setHeaderRoute.match[].headerValue",
        STRING_MATCH,
    ),
    (
        "spec.strategy.canary.steps[].setMirrorRoute",
        "name:s* percentage:i match:os",
    ),
    (
        "spec.strategy.canary.steps[].setMirrorRoute.match[]",
        "method:o path:o headers:o",
    ),
    (
        "spec.strategy.canary.steps[].setMirrorRoute.match[].method",
        STRING_MATCH,
    ),
    (
        "spec.strategy.canary.steps[].setMirrorRoute.match[].path",
        STRING_MATCH,
    ),
    (
        "spec.strategy.canary.steps[].setMirrorRoute.match[].headers{}",
        STRING_MATCH,
    ),
    ("spec.strategy.canary.steps[].plugin", "name:s* config:any"),
    // gatewayAPI is ours.
    (
        "spec.strategy.canary.trafficRouting",
        "istio:o nginx:o alb:o smi:o ambassador:o appMesh:o traefik:o apisix:o plugins:any-o managedRoutes:os \
         maxTrafficWeight:i gatewayAPI:o",
    ),
    (
        "spec.strategy.canary.trafficRouting.gatewayAPI",
        "httpRoute:s httpRoutes:os namespace:s",
    ),
    (
        "spec.strategy.canary.trafficRouting.gatewayAPI.httpRoutes[]",
        "name:s*",
    ),
    ("spec.strategy.canary.trafficRouting.managedRoutes[]", "name:s*"),
    (
        "spec.strategy.canary.trafficRouting.istio",
        "virtualService:o virtualServices:os destinationRule:o",
    ),
    (
        "spec.strategy.canary.trafficRouting.istio.virtualService",
        VIRTUAL_SERVICE,
    ),
    (
        "spec.strategy.canary.trafficRouting.istio.virtualServices[]",
        VIRTUAL_SERVICE,
    ),
    (
        "spec.strategy.canary.trafficRouting.istio.virtualService.tlsRoutes[]",
        "port:l sniHosts:ss",
    ),
    (
        "spec.strategy.canary.trafficRouting.istio.virtualService.tcpRoutes[]",
        "port:l",
    ),
    (
        "spec.strategy.canary.trafficRouting.istio.destinationRule",
        "name:s* canarySubsetName:s* stableSubsetName:s* additionalSubsetNames:ss",
    ),
    (
        "spec.strategy.canary.trafficRouting.nginx",
        "annotationPrefix:s stableIngress:s stableIngresses:ss additionalIngressAnnotations:m canaryIngressAnnotations:m",
    ),
    (
        "spec.strategy.canary.trafficRouting.alb",
        "ingress:s ingresses:ss servicePort:i* rootService:s annotationPrefix:s stickinessConfig:o",
    ),
    (
        "spec.strategy.canary.trafficRouting.alb.stickinessConfig",
        "enabled:b* durationSeconds:l*",
    ),
    (
        "spec.strategy.canary.trafficRouting.smi",
        "rootService:s trafficSplitName:s",
    ),
    ("spec.strategy.canary.trafficRouting.ambassador", "mappings:ss*"),
    (
        "spec.strategy.canary.trafficRouting.appMesh",
        "virtualService:o virtualNodeGroup:o",
    ),
    (
        "spec.strategy.canary.trafficRouting.appMesh.virtualService",
        "name:s* routes:ss",
    ),
    (
        "spec.strategy.canary.trafficRouting.appMesh.virtualNodeGroup",
        "canaryVirtualNodeRef:o* stableVirtualNodeRef:o*",
    ),
    (
        "spec.strategy.canary.trafficRouting.appMesh.virtualNodeGroup.canaryVirtualNodeRef",
        "name:s*",
    ),
    (
        "spec.strategy.canary.trafficRouting.traefik",
        "weightedTraefikServiceName:s*",
    ),
    ("spec.strategy.canary.trafficRouting.apisix", "route:o"),
    (
        "spec.strategy.canary.trafficRouting.apisix.route",
        "name:s* rules:ss",
    ),
    (
        "status",
        "abort:b abortedAt:t pauseConditions:os controllerPause:b currentPodHash:s currentStepHash:s replicas:i \
         updatedReplicas:i readyReplicas:i availableReplicas:i currentStepIndex:i collisionCount:i observedGeneration:s \
         conditions:os canary:o blueGreen:o HPAReplicas:i selector:s stableRS:s restartedAt:t promoteFull:b phase:s message:s \
         workloadObservedGeneration:s alb:o albs:os duration:o",
    ),
    ("status.pauseConditions[]", "reason:s* startTime:t*"),
    ("status.conditions[]", CONDITION),
    (
        "status.canary",
        "currentStepAnalysisRunStatus:o currentBackgroundAnalysisRunStatus:o currentExperiment:s weights:o stablePingPong:s \
         stepPluginStatuses:os",
    ),
    ("status.canary.currentStepAnalysisRunStatus", RUN),
    ("status.canary.currentBackgroundAnalysisRunStatus", RUN),
    (
        "status.canary.weights",
        "canary:o* stable:o* additional:os verified:b",
    ),
    (
        "status.canary.weights.canary",
        "weight:i* serviceName:s podTemplateHash:s",
    ),
    (
        "status.canary.weights.additional[]",
        "weight:i* serviceName:s podTemplateHash:s",
    ),
    (
        "status.canary.stepPluginStatuses[]",
        "index:i* name:s* operation:s phase:s message:s startedAt:t updatedAt:t finishedAt:t backoff:s executions:i disabled:b \
         status:any",
    ),
    (
        "status.blueGreen",
        "previewSelector:s activeSelector:s scaleUpPreviewCheckPoint:b prePromotionAnalysisRunStatus:o \
         postPromotionAnalysisRunStatus:o",
    ),
    ("status.blueGreen.prePromotionAnalysisRunStatus", RUN),
    ("status.blueGreen.postPromotionAnalysisRunStatus", RUN),
    ("status.alb", ALB),
    ("status.albs[]", ALB),
    ("status.alb.loadBalancer", "name:s* arn:s* fullName:s"),
    (
        "status.duration",
        "rolloutStartedAt:t manualPauseStartedAt:t totalManualPauseDurationSeconds:l finishedAt:t completionStatus:s",
    ),
];

/// Also of ClusterAnalysisTemplate.
pub(super) const ANALYSIS_TEMPLATE: &[(&str, &str)] = &[(
    "spec",
    "metrics:os args:os dryRun:os measurementRetention:os templates:os",
)];

pub(super) const ANALYSIS_RUN: &[(&str, &str)] = &[
    (
        "spec",
        "metrics:os* args:os terminate:b dryRun:os measurementRetention:os ttlStrategy:o",
    ),
    (
        "spec.ttlStrategy",
        "secondsAfterCompletion:i secondsAfterFailure:i secondsAfterSuccess:i",
    ),
    (
        "status",
        "phase:s message:s startedAt:t completedAt:t runSummary:o dryRunSummary:o metricResults:os",
    ),
    ("status.runSummary", SUMMARY),
    ("status.dryRunSummary", SUMMARY),
    (
        "status.metricResults[]",
        "name:s* phase:s* message:s count:i successful:i failed:i inconclusive:i error:i consecutiveError:i consecutiveSuccess:i \
         dryRun:b metadata:m measurements:os",
    ),
    (
        "status.metricResults[].measurements[]",
        "phase:s* message:s startedAt:t finishedAt:t value:s metadata:m resumeAt:t",
    ),
];

pub(super) const EXPERIMENT: &[(&str, &str)] = &[
    (
        "spec",
        "templates:os* duration:s progressDeadlineSeconds:i terminate:b analyses:os scaleDownDelaySeconds:i dryRun:os \
         measurementRetention:os analysisRunMetadata:o",
    ),
    (
        "spec.templates[]",
        "name:s* replicas:i minReadySeconds:i selector:o* template:o* service:o",
    ),
    ("spec.templates[].service", "name:s"),
    (
        "spec.analyses[]",
        "name:s* templateName:s* clusterScope:b args:os requiredForCompletion:b",
    ),
    (
        "status",
        "phase:s message:s availableAt:t templateStatuses:os conditions:os analysisRuns:os",
    ),
    (
        "status.templateStatuses[]",
        "name:s* replicas:i* updatedReplicas:i* readyReplicas:i* availableReplicas:i* collisionCount:i status:s message:s \
         lastTransitionTime:t serviceName:s podTemplateHash:s",
    ),
    ("status.conditions[]", CONDITION),
    (
        "status.analysisRuns[]",
        "name:s* analysisRun:s* phase:s* message:s",
    ),
];

/// What AnalysisTemplate, ClusterAnalysisTemplate and AnalysisRun have in common.
pub(super) const METRICS: &[(&str, &str)] = &[
    ("spec.args[]", "name:s* value:s valueFrom:o"),
    ("spec.args[].valueFrom", "secretKeyRef:o fieldRef:o"),
    ("spec.args[].valueFrom.secretKeyRef", "name:s* key:s*"),
    ("spec.args[].valueFrom.fieldRef", "fieldPath:s*"),
    ("spec.dryRun[]", "metricName:s*"),
    ("spec.measurementRetention[]", "metricName:s* limit:i*"),
    (
        "spec.metrics[]",
        "name:s* interval:s initialDelay:s count:x successCondition:s failureCondition:s failureLimit:x inconclusiveLimit:x \
         consecutiveErrorLimit:x consecutiveSuccessLimit:x provider:o*",
    ),
    (
        "spec.metrics[].provider",
        "prometheus:o web:o job:o datadog:o newRelic:o wavefront:o cloudWatch:o graphite:o influxdb:o skywalking:o kayenta:o \
         plugin:any-o",
    ),
    (
        "spec.metrics[].provider.prometheus",
        "address:s query:s authentication:o timeout:l insecure:b headers:os rangeQuery:o",
    ),
    ("spec.metrics[].provider.prometheus.headers[]", "key:s* value:s*"),
    (
        "spec.metrics[].provider.prometheus.rangeQuery",
        "start:s end:s step:s",
    ),
    (
        "spec.metrics[].provider.prometheus.authentication",
        "sigv4:o oauth2:o basicAuth:o",
    ),
    (
        "spec.metrics[].provider.prometheus.authentication.sigv4",
        "region:s profile:s roleArn:s",
    ),
    (
        "spec.metrics[].provider.prometheus.authentication.oauth2",
        "tokenUrl:s clientId:s clientSecret:s scopes:ss",
    ),
    (
        "spec.metrics[].provider.prometheus.authentication.basicAuth",
        "username:s password:s",
    ),
    (
        "spec.metrics[].provider.web",
        "method:s url:s* headers:os body:s jsonBody:any timeoutSeconds:l jsonPath:s insecure:b authentication:o",
    ),
    ("spec.metrics[].provider.job", "metadata:o spec:o*"),
    ("spec.metrics[].provider.job.metadata", METADATA),
    (
        "spec.metrics[].provider.datadog",
        "interval:s query:s queries:m formula:s apiVersion:s aggregator:s secretRef:o requestTimeout:s",
    ),
    ("spec.metrics[].provider.datadog.secretRef", "name:s namespaced:b"),
    ("spec.metrics[].provider.newRelic", "profile:s query:s* timeout:l"),
    ("spec.metrics[].provider.wavefront", "address:s query:s"),
    (
        "spec.metrics[].provider.cloudWatch",
        "interval:s metricDataQueries:os*",
    ),
    (
        "spec.metrics[].provider.cloudWatch.metricDataQueries[]",
        "id:s expression:s label:s metricStat:o period:x returnData:b",
    ),
    (
        "spec.metrics[].provider.cloudWatch.metricDataQueries[].metricStat",
        "metric:o period:x stat:s unit:s",
    ),
    (
        "spec.metrics[].provider.cloudWatch.metricDataQueries[].metricStat.metric",
        "namespace:s metricName:s dimensions:os",
    ),
    (
        "spec.metrics[].provider.cloudWatch.metricDataQueries[].metricStat.metric.dimensions[]",
        "name:s value:s",
    ),
    ("spec.metrics[].provider.graphite", "address:s query:s"),
    ("spec.metrics[].provider.influxdb", "profile:s query:s"),
    (
        "spec.metrics[].provider.skywalking",
        "address:s query:s interval:s",
    ),
    (
        "spec.metrics[].provider.kayenta",
        "address:s* application:s* canaryConfigName:s* metricsAccountName:s* configurationAccountName:s* storageAccountName:s* \
         threshold:o* scopes:os* lookback:b",
    ),
    ("spec.metrics[].provider.kayenta.threshold", "pass:l* marginal:l*"),
    (
        "spec.metrics[].provider.kayenta.scopes[]",
        "name:s* controlScope:o* experimentScope:o*",
    ),
    (
        "spec.metrics[].provider.kayenta.scopes[].controlScope",
        KAYENTA_SCOPE,
    ),
    (
        "spec.metrics[].provider.kayenta.scopes[].experimentScope",
        KAYENTA_SCOPE,
    ),
];

const ANALYSIS: &str = "templates:os args:os dryRun:os measurementRetention:os analysisRunMetadata:o";
const ANTI_AFFINITY: &str =
    "preferredDuringSchedulingIgnoredDuringExecution:o requiredDuringSchedulingIgnoredDuringExecution:o";
const METADATA: &str = "labels:m annotations:m";
const STRING_MATCH: &str = "exact:s prefix:s regex:s";
const VIRTUAL_SERVICE: &str = "name:s* routes:ss tlsRoutes:os tcpRoutes:os";
const CONDITION: &str = "type:s* status:s* lastUpdateTime:t* lastTransitionTime:t* reason:s* message:s*";
const RUN: &str = "name:s* status:s* message:s";
const ALB: &str = "loadBalancer:o canaryTargetGroup:o stableTargetGroup:o ingress:s";
const SUMMARY: &str = "count:i successful:i failed:i inconclusive:i error:i";
const KAYENTA_SCOPE: &str = "scope:s* region:s* step:l* start:s end:s";
