// flat table
//! The fields of `core/v1 PodTemplateSpec` and everything below it, in the order in which Go prints them (Kubernetes libraries
//! 0.34, the ones Argo Rollouts is built with). Which fields exist here is part of the hash: do not add newer ones.

use crate::api::hash::shape::Kind::{
    self, Amount, Bool, I32, I64, Instant, IntOrText, List, Map, Raw, Struct, Text,
};
use crate::api::hash::shape::{Fields, always, nullable, pointer, some};

pub(super) const TEMPLATE: Kind = Struct(POD_TEMPLATE_SPEC);

const POD_TEMPLATE_SPEC: Fields = &[
    always("metadata", Struct(OBJECT_META)),
    always("spec", Struct(POD_SPEC)),
];
const OBJECT_META: Fields = &[
    some("name", Text),
    some("generateName", Text),
    some("namespace", Text),
    some("selfLink", Text),
    some("uid", Text),
    some("resourceVersion", Text),
    some("generation", I64),
    some("creationTimestamp", Instant),
    pointer("deletionTimestamp", Instant),
    pointer("deletionGracePeriodSeconds", I64),
    some("labels", Map(&Text)),
    some("annotations", Map(&Text)),
    some("ownerReferences", List(&Struct(OWNER_REFERENCE))),
    some("finalizers", List(&Text)),
    some("managedFields", List(&Struct(MANAGED_FIELDS_ENTRY))),
];
const OWNER_REFERENCE: Fields = &[
    always("apiVersion", Text),
    always("kind", Text),
    always("name", Text),
    always("uid", Text),
    pointer("controller", Bool),
    pointer("blockOwnerDeletion", Bool),
];
const MANAGED_FIELDS_ENTRY: Fields = &[
    some("manager", Text),
    some("operation", Text),
    some("apiVersion", Text),
    pointer("time", Instant),
    some("fieldsType", Text),
    pointer("fieldsV1", Raw),
    some("subresource", Text),
];
const POD_SPEC: Fields = &[
    some("volumes", List(&Struct(VOLUME))),
    some("initContainers", List(&Struct(CONTAINER))),
    always("containers", List(&Struct(CONTAINER))),
    some("ephemeralContainers", List(&Struct(EPHEMERAL_CONTAINER))),
    some("restartPolicy", Text),
    pointer("terminationGracePeriodSeconds", I64),
    pointer("activeDeadlineSeconds", I64),
    some("dnsPolicy", Text),
    some("nodeSelector", Map(&Text)),
    some("serviceAccountName", Text),
    some("serviceAccount", Text),
    pointer("automountServiceAccountToken", Bool),
    some("nodeName", Text),
    some("hostNetwork", Bool),
    some("hostPID", Bool),
    some("hostIPC", Bool),
    pointer("shareProcessNamespace", Bool),
    pointer("securityContext", Struct(POD_SECURITY_CONTEXT)),
    some("imagePullSecrets", List(&Struct(LOCAL_OBJECT_REFERENCE))),
    some("hostname", Text),
    some("subdomain", Text),
    pointer("affinity", Struct(AFFINITY)),
    some("schedulerName", Text),
    some("tolerations", List(&Struct(TOLERATION))),
    some("hostAliases", List(&Struct(HOST_ALIAS))),
    some("priorityClassName", Text),
    pointer("priority", I32),
    pointer("dnsConfig", Struct(POD_DNS_CONFIG)),
    some("readinessGates", List(&Struct(POD_READINESS_GATE))),
    pointer("runtimeClassName", Text),
    pointer("enableServiceLinks", Bool),
    pointer("preemptionPolicy", Text),
    some("overhead", Map(&Amount)),
    some(
        "topologySpreadConstraints",
        List(&Struct(TOPOLOGY_SPREAD_CONSTRAINT)),
    ),
    pointer("setHostnameAsFQDN", Bool),
    pointer("os", Struct(POD_OS)),
    pointer("hostUsers", Bool),
    some("schedulingGates", List(&Struct(POD_SCHEDULING_GATE))),
    some("resourceClaims", List(&Struct(POD_RESOURCE_CLAIM))),
    pointer("resources", Struct(RESOURCE_REQUIREMENTS)),
    pointer("hostnameOverride", Text),
];
const VOLUME: Fields = &[
    always("name", Text),
    pointer("hostPath", Struct(HOST_PATH_VOLUME_SOURCE)),
    pointer("emptyDir", Struct(EMPTY_DIR_VOLUME_SOURCE)),
    pointer("gcePersistentDisk", Struct(GCE_PERSISTENT_DISK_VOLUME_SOURCE)),
    pointer(
        "awsElasticBlockStore",
        Struct(AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE),
    ),
    pointer("gitRepo", Struct(GIT_REPO_VOLUME_SOURCE)),
    pointer("secret", Struct(SECRET_VOLUME_SOURCE)),
    pointer("nfs", Struct(NFS_VOLUME_SOURCE)),
    pointer("iscsi", Struct(ISCSI_VOLUME_SOURCE)),
    pointer("glusterfs", Struct(GLUSTERFS_VOLUME_SOURCE)),
    pointer(
        "persistentVolumeClaim",
        Struct(PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE),
    ),
    pointer("rbd", Struct(RBD_VOLUME_SOURCE)),
    pointer("flexVolume", Struct(FLEX_VOLUME_SOURCE)),
    pointer("cinder", Struct(CINDER_VOLUME_SOURCE)),
    pointer("cephfs", Struct(CEPH_FS_VOLUME_SOURCE)),
    pointer("flocker", Struct(FLOCKER_VOLUME_SOURCE)),
    pointer("downwardAPI", Struct(DOWNWARD_API_VOLUME_SOURCE)),
    pointer("fc", Struct(FC_VOLUME_SOURCE)),
    pointer("azureFile", Struct(AZURE_FILE_VOLUME_SOURCE)),
    pointer("configMap", Struct(CONFIG_MAP_VOLUME_SOURCE)),
    pointer("vsphereVolume", Struct(VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE)),
    pointer("quobyte", Struct(QUOBYTE_VOLUME_SOURCE)),
    pointer("azureDisk", Struct(AZURE_DISK_VOLUME_SOURCE)),
    pointer(
        "photonPersistentDisk",
        Struct(PHOTON_PERSISTENT_DISK_VOLUME_SOURCE),
    ),
    pointer("projected", Struct(PROJECTED_VOLUME_SOURCE)),
    pointer("portworxVolume", Struct(PORTWORX_VOLUME_SOURCE)),
    pointer("scaleIO", Struct(SCALE_IO_VOLUME_SOURCE)),
    pointer("storageos", Struct(STORAGE_OS_VOLUME_SOURCE)),
    pointer("csi", Struct(CSI_VOLUME_SOURCE)),
    pointer("ephemeral", Struct(EPHEMERAL_VOLUME_SOURCE)),
    pointer("image", Struct(IMAGE_VOLUME_SOURCE)),
];
const HOST_PATH_VOLUME_SOURCE: Fields = &[always("path", Text), pointer("type", Text)];
const EMPTY_DIR_VOLUME_SOURCE: Fields = &[some("medium", Text), pointer("sizeLimit", Amount)];
const GCE_PERSISTENT_DISK_VOLUME_SOURCE: Fields = &[
    always("pdName", Text),
    some("fsType", Text),
    some("partition", I32),
    some("readOnly", Bool),
];
const AWS_ELASTIC_BLOCK_STORE_VOLUME_SOURCE: Fields = &[
    always("volumeID", Text),
    some("fsType", Text),
    some("partition", I32),
    some("readOnly", Bool),
];
const GIT_REPO_VOLUME_SOURCE: Fields = &[
    always("repository", Text),
    some("revision", Text),
    some("directory", Text),
];
const SECRET_VOLUME_SOURCE: Fields = &[
    some("secretName", Text),
    some("items", List(&Struct(KEY_TO_PATH))),
    pointer("defaultMode", I32),
    pointer("optional", Bool),
];
const KEY_TO_PATH: Fields = &[always("key", Text), always("path", Text), pointer("mode", I32)];
const NFS_VOLUME_SOURCE: Fields = &[
    always("server", Text),
    always("path", Text),
    some("readOnly", Bool),
];
const ISCSI_VOLUME_SOURCE: Fields = &[
    always("targetPortal", Text),
    always("iqn", Text),
    always("lun", I32),
    some("iscsiInterface", Text),
    some("fsType", Text),
    some("readOnly", Bool),
    some("portals", List(&Text)),
    some("chapAuthDiscovery", Bool),
    some("chapAuthSession", Bool),
    pointer("secretRef", Struct(LOCAL_OBJECT_REFERENCE)),
    pointer("initiatorName", Text),
];
const LOCAL_OBJECT_REFERENCE: Fields = &[some("name", Text)];
const GLUSTERFS_VOLUME_SOURCE: Fields = &[
    always("endpoints", Text),
    always("path", Text),
    some("readOnly", Bool),
];
const PERSISTENT_VOLUME_CLAIM_VOLUME_SOURCE: Fields = &[always("claimName", Text), some("readOnly", Bool)];
const RBD_VOLUME_SOURCE: Fields = &[
    always("monitors", List(&Text)),
    always("image", Text),
    some("fsType", Text),
    some("pool", Text),
    some("user", Text),
    some("keyring", Text),
    pointer("secretRef", Struct(LOCAL_OBJECT_REFERENCE)),
    some("readOnly", Bool),
];
const FLEX_VOLUME_SOURCE: Fields = &[
    always("driver", Text),
    some("fsType", Text),
    pointer("secretRef", Struct(LOCAL_OBJECT_REFERENCE)),
    some("readOnly", Bool),
    some("options", Map(&Text)),
];
const CINDER_VOLUME_SOURCE: Fields = &[
    always("volumeID", Text),
    some("fsType", Text),
    some("readOnly", Bool),
    pointer("secretRef", Struct(LOCAL_OBJECT_REFERENCE)),
];
const CEPH_FS_VOLUME_SOURCE: Fields = &[
    always("monitors", List(&Text)),
    some("path", Text),
    some("user", Text),
    some("secretFile", Text),
    pointer("secretRef", Struct(LOCAL_OBJECT_REFERENCE)),
    some("readOnly", Bool),
];
const FLOCKER_VOLUME_SOURCE: Fields = &[some("datasetName", Text), some("datasetUUID", Text)];
const DOWNWARD_API_VOLUME_SOURCE: Fields = &[
    some("items", List(&Struct(DOWNWARD_API_VOLUME_FILE))),
    pointer("defaultMode", I32),
];
const DOWNWARD_API_VOLUME_FILE: Fields = &[
    always("path", Text),
    pointer("fieldRef", Struct(OBJECT_FIELD_SELECTOR)),
    pointer("resourceFieldRef", Struct(RESOURCE_FIELD_SELECTOR)),
    pointer("mode", I32),
];
const OBJECT_FIELD_SELECTOR: Fields = &[some("apiVersion", Text), always("fieldPath", Text)];
const RESOURCE_FIELD_SELECTOR: Fields = &[
    some("containerName", Text),
    always("resource", Text),
    always("divisor", Amount),
];
const FC_VOLUME_SOURCE: Fields = &[
    some("targetWWNs", List(&Text)),
    pointer("lun", I32),
    some("fsType", Text),
    some("readOnly", Bool),
    some("wwids", List(&Text)),
];
const AZURE_FILE_VOLUME_SOURCE: Fields = &[
    always("secretName", Text),
    always("shareName", Text),
    some("readOnly", Bool),
];
const CONFIG_MAP_VOLUME_SOURCE: Fields = &[
    some("name", Text),
    some("items", List(&Struct(KEY_TO_PATH))),
    pointer("defaultMode", I32),
    pointer("optional", Bool),
];
const VSPHERE_VIRTUAL_DISK_VOLUME_SOURCE: Fields = &[
    always("volumePath", Text),
    some("fsType", Text),
    some("storagePolicyName", Text),
    some("storagePolicyID", Text),
];
const QUOBYTE_VOLUME_SOURCE: Fields = &[
    always("registry", Text),
    always("volume", Text),
    some("readOnly", Bool),
    some("user", Text),
    some("group", Text),
    some("tenant", Text),
];
const AZURE_DISK_VOLUME_SOURCE: Fields = &[
    always("diskName", Text),
    always("diskURI", Text),
    pointer("cachingMode", Text),
    pointer("fsType", Text),
    pointer("readOnly", Bool),
    pointer("kind", Text),
];
const PHOTON_PERSISTENT_DISK_VOLUME_SOURCE: Fields = &[always("pdID", Text), some("fsType", Text)];
const PROJECTED_VOLUME_SOURCE: Fields = &[
    always("sources", List(&Struct(VOLUME_PROJECTION))),
    pointer("defaultMode", I32),
];
const VOLUME_PROJECTION: Fields = &[
    pointer("secret", Struct(SECRET_PROJECTION)),
    pointer("downwardAPI", Struct(DOWNWARD_API_PROJECTION)),
    pointer("configMap", Struct(CONFIG_MAP_PROJECTION)),
    pointer("serviceAccountToken", Struct(SERVICE_ACCOUNT_TOKEN_PROJECTION)),
    pointer("clusterTrustBundle", Struct(CLUSTER_TRUST_BUNDLE_PROJECTION)),
    pointer("podCertificate", Struct(POD_CERTIFICATE_PROJECTION)),
];
const SECRET_PROJECTION: Fields = &[
    some("name", Text),
    some("items", List(&Struct(KEY_TO_PATH))),
    pointer("optional", Bool),
];
const DOWNWARD_API_PROJECTION: Fields = &[some("items", List(&Struct(DOWNWARD_API_VOLUME_FILE)))];
const CONFIG_MAP_PROJECTION: Fields = &[
    some("name", Text),
    some("items", List(&Struct(KEY_TO_PATH))),
    pointer("optional", Bool),
];
const SERVICE_ACCOUNT_TOKEN_PROJECTION: Fields = &[
    some("audience", Text),
    pointer("expirationSeconds", I64),
    always("path", Text),
];
const CLUSTER_TRUST_BUNDLE_PROJECTION: Fields = &[
    pointer("name", Text),
    pointer("signerName", Text),
    pointer("labelSelector", Struct(LABEL_SELECTOR)),
    pointer("optional", Bool),
    always("path", Text),
];
pub(super) const LABEL_SELECTOR: Fields = &[
    some("matchLabels", Map(&Text)),
    some("matchExpressions", List(&Struct(LABEL_SELECTOR_REQUIREMENT))),
];
const LABEL_SELECTOR_REQUIREMENT: Fields = &[
    always("key", Text),
    always("operator", Text),
    some("values", List(&Text)),
];
const POD_CERTIFICATE_PROJECTION: Fields = &[
    some("signerName", Text),
    some("keyType", Text),
    pointer("maxExpirationSeconds", I32),
    some("credentialBundlePath", Text),
    some("keyPath", Text),
    some("certificateChainPath", Text),
];
const PORTWORX_VOLUME_SOURCE: Fields = &[
    always("volumeID", Text),
    some("fsType", Text),
    some("readOnly", Bool),
];
const SCALE_IO_VOLUME_SOURCE: Fields = &[
    always("gateway", Text),
    always("system", Text),
    nullable("secretRef", Struct(LOCAL_OBJECT_REFERENCE)),
    some("sslEnabled", Bool),
    some("protectionDomain", Text),
    some("storagePool", Text),
    some("storageMode", Text),
    some("volumeName", Text),
    some("fsType", Text),
    some("readOnly", Bool),
];
const STORAGE_OS_VOLUME_SOURCE: Fields = &[
    some("volumeName", Text),
    some("volumeNamespace", Text),
    some("fsType", Text),
    some("readOnly", Bool),
    pointer("secretRef", Struct(LOCAL_OBJECT_REFERENCE)),
];
const CSI_VOLUME_SOURCE: Fields = &[
    always("driver", Text),
    pointer("readOnly", Bool),
    pointer("fsType", Text),
    some("volumeAttributes", Map(&Text)),
    pointer("nodePublishSecretRef", Struct(LOCAL_OBJECT_REFERENCE)),
];
const EPHEMERAL_VOLUME_SOURCE: Fields = &[pointer(
    "volumeClaimTemplate",
    Struct(PERSISTENT_VOLUME_CLAIM_TEMPLATE),
)];
const PERSISTENT_VOLUME_CLAIM_TEMPLATE: Fields = &[
    always("metadata", Struct(OBJECT_META)),
    always("spec", Struct(PERSISTENT_VOLUME_CLAIM_SPEC)),
];
const PERSISTENT_VOLUME_CLAIM_SPEC: Fields = &[
    some("accessModes", List(&Text)),
    pointer("selector", Struct(LABEL_SELECTOR)),
    always("resources", Struct(VOLUME_RESOURCE_REQUIREMENTS)),
    some("volumeName", Text),
    pointer("storageClassName", Text),
    pointer("volumeMode", Text),
    pointer("dataSource", Struct(TYPED_LOCAL_OBJECT_REFERENCE)),
    pointer("dataSourceRef", Struct(TYPED_OBJECT_REFERENCE)),
    pointer("volumeAttributesClassName", Text),
];
const VOLUME_RESOURCE_REQUIREMENTS: Fields = &[some("limits", Map(&Amount)), some("requests", Map(&Amount))];
const TYPED_LOCAL_OBJECT_REFERENCE: Fields = &[
    nullable("apiGroup", Text),
    always("kind", Text),
    always("name", Text),
];
const TYPED_OBJECT_REFERENCE: Fields = &[
    nullable("apiGroup", Text),
    always("kind", Text),
    always("name", Text),
    pointer("namespace", Text),
];
const IMAGE_VOLUME_SOURCE: Fields = &[some("reference", Text), some("pullPolicy", Text)];
const CONTAINER: Fields = &[
    always("name", Text),
    some("image", Text),
    some("command", List(&Text)),
    some("args", List(&Text)),
    some("workingDir", Text),
    some("ports", List(&Struct(CONTAINER_PORT))),
    some("envFrom", List(&Struct(ENV_FROM_SOURCE))),
    some("env", List(&Struct(ENV_VAR))),
    always("resources", Struct(RESOURCE_REQUIREMENTS)),
    some("resizePolicy", List(&Struct(CONTAINER_RESIZE_POLICY))),
    pointer("restartPolicy", Text),
    some("restartPolicyRules", List(&Struct(CONTAINER_RESTART_RULE))),
    some("volumeMounts", List(&Struct(VOLUME_MOUNT))),
    some("volumeDevices", List(&Struct(VOLUME_DEVICE))),
    pointer("livenessProbe", Struct(PROBE)),
    pointer("readinessProbe", Struct(PROBE)),
    pointer("startupProbe", Struct(PROBE)),
    pointer("lifecycle", Struct(LIFECYCLE)),
    some("terminationMessagePath", Text),
    some("terminationMessagePolicy", Text),
    some("imagePullPolicy", Text),
    pointer("securityContext", Struct(SECURITY_CONTEXT)),
    some("stdin", Bool),
    some("stdinOnce", Bool),
    some("tty", Bool),
];
const CONTAINER_PORT: Fields = &[
    some("name", Text),
    some("hostPort", I32),
    always("containerPort", I32),
    some("protocol", Text),
    some("hostIP", Text),
];
const ENV_FROM_SOURCE: Fields = &[
    some("prefix", Text),
    pointer("configMapRef", Struct(CONFIG_MAP_ENV_SOURCE)),
    pointer("secretRef", Struct(SECRET_ENV_SOURCE)),
];
const CONFIG_MAP_ENV_SOURCE: Fields = &[some("name", Text), pointer("optional", Bool)];
const SECRET_ENV_SOURCE: Fields = &[some("name", Text), pointer("optional", Bool)];
const ENV_VAR: Fields = &[
    always("name", Text),
    some("value", Text),
    pointer("valueFrom", Struct(ENV_VAR_SOURCE)),
];
const ENV_VAR_SOURCE: Fields = &[
    pointer("fieldRef", Struct(OBJECT_FIELD_SELECTOR)),
    pointer("resourceFieldRef", Struct(RESOURCE_FIELD_SELECTOR)),
    pointer("configMapKeyRef", Struct(CONFIG_MAP_KEY_SELECTOR)),
    pointer("secretKeyRef", Struct(SECRET_KEY_SELECTOR)),
    pointer("fileKeyRef", Struct(FILE_KEY_SELECTOR)),
];
const CONFIG_MAP_KEY_SELECTOR: Fields = &[some("name", Text), always("key", Text), pointer("optional", Bool)];
const SECRET_KEY_SELECTOR: Fields = &[some("name", Text), always("key", Text), pointer("optional", Bool)];
const FILE_KEY_SELECTOR: Fields = &[
    always("volumeName", Text),
    always("path", Text),
    always("key", Text),
    pointer("optional", Bool),
];
const RESOURCE_REQUIREMENTS: Fields = &[
    some("limits", Map(&Amount)),
    some("requests", Map(&Amount)),
    some("claims", List(&Struct(RESOURCE_CLAIM))),
];
const RESOURCE_CLAIM: Fields = &[always("name", Text), some("request", Text)];
const CONTAINER_RESIZE_POLICY: Fields = &[always("resourceName", Text), always("restartPolicy", Text)];
const CONTAINER_RESTART_RULE: Fields = &[
    some("action", Text),
    pointer("exitCodes", Struct(CONTAINER_RESTART_RULE_ON_EXIT_CODES)),
];
const CONTAINER_RESTART_RULE_ON_EXIT_CODES: Fields = &[some("operator", Text), some("values", List(&I32))];
const VOLUME_MOUNT: Fields = &[
    always("name", Text),
    some("readOnly", Bool),
    pointer("recursiveReadOnly", Text),
    always("mountPath", Text),
    some("subPath", Text),
    pointer("mountPropagation", Text),
    some("subPathExpr", Text),
];
const VOLUME_DEVICE: Fields = &[always("name", Text), always("devicePath", Text)];
const PROBE: Fields = &[
    pointer("exec", Struct(EXEC_ACTION)),
    pointer("httpGet", Struct(HTTP_GET_ACTION)),
    pointer("tcpSocket", Struct(TCP_SOCKET_ACTION)),
    pointer("grpc", Struct(GRPC_ACTION)),
    some("initialDelaySeconds", I32),
    some("timeoutSeconds", I32),
    some("periodSeconds", I32),
    some("successThreshold", I32),
    some("failureThreshold", I32),
    pointer("terminationGracePeriodSeconds", I64),
];
const EXEC_ACTION: Fields = &[some("command", List(&Text))];
const HTTP_GET_ACTION: Fields = &[
    some("path", Text),
    always("port", IntOrText),
    some("host", Text),
    some("scheme", Text),
    some("httpHeaders", List(&Struct(HTTP_HEADER))),
];
const HTTP_HEADER: Fields = &[always("name", Text), always("value", Text)];
const TCP_SOCKET_ACTION: Fields = &[always("port", IntOrText), some("host", Text)];
const GRPC_ACTION: Fields = &[always("port", I32), nullable("service", Text)];
const LIFECYCLE: Fields = &[
    pointer("postStart", Struct(LIFECYCLE_HANDLER)),
    pointer("preStop", Struct(LIFECYCLE_HANDLER)),
    pointer("stopSignal", Text),
];
const LIFECYCLE_HANDLER: Fields = &[
    pointer("exec", Struct(EXEC_ACTION)),
    pointer("httpGet", Struct(HTTP_GET_ACTION)),
    pointer("tcpSocket", Struct(TCP_SOCKET_ACTION)),
    pointer("sleep", Struct(SLEEP_ACTION)),
];
const SLEEP_ACTION: Fields = &[always("seconds", I64)];
const SECURITY_CONTEXT: Fields = &[
    pointer("capabilities", Struct(CAPABILITIES)),
    pointer("privileged", Bool),
    pointer("seLinuxOptions", Struct(SE_LINUX_OPTIONS)),
    pointer("windowsOptions", Struct(WINDOWS_SECURITY_CONTEXT_OPTIONS)),
    pointer("runAsUser", I64),
    pointer("runAsGroup", I64),
    pointer("runAsNonRoot", Bool),
    pointer("readOnlyRootFilesystem", Bool),
    pointer("allowPrivilegeEscalation", Bool),
    pointer("procMount", Text),
    pointer("seccompProfile", Struct(SECCOMP_PROFILE)),
    pointer("appArmorProfile", Struct(APP_ARMOR_PROFILE)),
];
const CAPABILITIES: Fields = &[some("add", List(&Text)), some("drop", List(&Text))];
const SE_LINUX_OPTIONS: Fields = &[
    some("user", Text),
    some("role", Text),
    some("type", Text),
    some("level", Text),
];
const WINDOWS_SECURITY_CONTEXT_OPTIONS: Fields = &[
    pointer("gmsaCredentialSpecName", Text),
    pointer("gmsaCredentialSpec", Text),
    pointer("runAsUserName", Text),
    pointer("hostProcess", Bool),
];
const SECCOMP_PROFILE: Fields = &[always("type", Text), pointer("localhostProfile", Text)];
const APP_ARMOR_PROFILE: Fields = &[always("type", Text), pointer("localhostProfile", Text)];
const EPHEMERAL_CONTAINER: Fields = &[
    always("name", Text),
    some("image", Text),
    some("command", List(&Text)),
    some("args", List(&Text)),
    some("workingDir", Text),
    some("ports", List(&Struct(CONTAINER_PORT))),
    some("envFrom", List(&Struct(ENV_FROM_SOURCE))),
    some("env", List(&Struct(ENV_VAR))),
    always("resources", Struct(RESOURCE_REQUIREMENTS)),
    some("resizePolicy", List(&Struct(CONTAINER_RESIZE_POLICY))),
    pointer("restartPolicy", Text),
    some("restartPolicyRules", List(&Struct(CONTAINER_RESTART_RULE))),
    some("volumeMounts", List(&Struct(VOLUME_MOUNT))),
    some("volumeDevices", List(&Struct(VOLUME_DEVICE))),
    pointer("livenessProbe", Struct(PROBE)),
    pointer("readinessProbe", Struct(PROBE)),
    pointer("startupProbe", Struct(PROBE)),
    pointer("lifecycle", Struct(LIFECYCLE)),
    some("terminationMessagePath", Text),
    some("terminationMessagePolicy", Text),
    some("imagePullPolicy", Text),
    pointer("securityContext", Struct(SECURITY_CONTEXT)),
    some("stdin", Bool),
    some("stdinOnce", Bool),
    some("tty", Bool),
    some("targetContainerName", Text),
];
const POD_SECURITY_CONTEXT: Fields = &[
    pointer("seLinuxOptions", Struct(SE_LINUX_OPTIONS)),
    pointer("windowsOptions", Struct(WINDOWS_SECURITY_CONTEXT_OPTIONS)),
    pointer("runAsUser", I64),
    pointer("runAsGroup", I64),
    pointer("runAsNonRoot", Bool),
    some("supplementalGroups", List(&I64)),
    pointer("supplementalGroupsPolicy", Text),
    pointer("fsGroup", I64),
    some("sysctls", List(&Struct(SYSCTL))),
    pointer("fsGroupChangePolicy", Text),
    pointer("seccompProfile", Struct(SECCOMP_PROFILE)),
    pointer("appArmorProfile", Struct(APP_ARMOR_PROFILE)),
    pointer("seLinuxChangePolicy", Text),
];
const SYSCTL: Fields = &[always("name", Text), always("value", Text)];
const AFFINITY: Fields = &[
    pointer("nodeAffinity", Struct(NODE_AFFINITY)),
    pointer("podAffinity", Struct(POD_AFFINITY)),
    pointer("podAntiAffinity", Struct(POD_ANTI_AFFINITY)),
];
const NODE_AFFINITY: Fields = &[
    pointer(
        "requiredDuringSchedulingIgnoredDuringExecution",
        Struct(NODE_SELECTOR),
    ),
    some(
        "preferredDuringSchedulingIgnoredDuringExecution",
        List(&Struct(PREFERRED_SCHEDULING_TERM)),
    ),
];
const NODE_SELECTOR: Fields = &[always("nodeSelectorTerms", List(&Struct(NODE_SELECTOR_TERM)))];
const NODE_SELECTOR_TERM: Fields = &[
    some("matchExpressions", List(&Struct(NODE_SELECTOR_REQUIREMENT))),
    some("matchFields", List(&Struct(NODE_SELECTOR_REQUIREMENT))),
];
const NODE_SELECTOR_REQUIREMENT: Fields = &[
    always("key", Text),
    always("operator", Text),
    some("values", List(&Text)),
];
const PREFERRED_SCHEDULING_TERM: Fields = &[
    always("weight", I32),
    always("preference", Struct(NODE_SELECTOR_TERM)),
];
const POD_AFFINITY: Fields = &[
    some(
        "requiredDuringSchedulingIgnoredDuringExecution",
        List(&Struct(POD_AFFINITY_TERM)),
    ),
    some(
        "preferredDuringSchedulingIgnoredDuringExecution",
        List(&Struct(WEIGHTED_POD_AFFINITY_TERM)),
    ),
];
const POD_AFFINITY_TERM: Fields = &[
    pointer("labelSelector", Struct(LABEL_SELECTOR)),
    some("namespaces", List(&Text)),
    always("topologyKey", Text),
    pointer("namespaceSelector", Struct(LABEL_SELECTOR)),
    some("matchLabelKeys", List(&Text)),
    some("mismatchLabelKeys", List(&Text)),
];
const WEIGHTED_POD_AFFINITY_TERM: Fields = &[
    always("weight", I32),
    always("podAffinityTerm", Struct(POD_AFFINITY_TERM)),
];
const POD_ANTI_AFFINITY: Fields = &[
    some(
        "requiredDuringSchedulingIgnoredDuringExecution",
        List(&Struct(POD_AFFINITY_TERM)),
    ),
    some(
        "preferredDuringSchedulingIgnoredDuringExecution",
        List(&Struct(WEIGHTED_POD_AFFINITY_TERM)),
    ),
];
const TOLERATION: Fields = &[
    some("key", Text),
    some("operator", Text),
    some("value", Text),
    some("effect", Text),
    pointer("tolerationSeconds", I64),
];
const HOST_ALIAS: Fields = &[always("ip", Text), some("hostnames", List(&Text))];
const POD_DNS_CONFIG: Fields = &[
    some("nameservers", List(&Text)),
    some("searches", List(&Text)),
    some("options", List(&Struct(POD_DNS_CONFIG_OPTION))),
];
const POD_DNS_CONFIG_OPTION: Fields = &[some("name", Text), pointer("value", Text)];
const POD_READINESS_GATE: Fields = &[always("conditionType", Text)];
const TOPOLOGY_SPREAD_CONSTRAINT: Fields = &[
    always("maxSkew", I32),
    always("topologyKey", Text),
    always("whenUnsatisfiable", Text),
    pointer("labelSelector", Struct(LABEL_SELECTOR)),
    pointer("minDomains", I32),
    pointer("nodeAffinityPolicy", Text),
    pointer("nodeTaintsPolicy", Text),
    some("matchLabelKeys", List(&Text)),
];
const POD_OS: Fields = &[always("name", Text)];
const POD_SCHEDULING_GATE: Fields = &[always("name", Text)];
const POD_RESOURCE_CLAIM: Fields = &[
    always("name", Text),
    pointer("resourceClaimName", Text),
    pointer("resourceClaimTemplateName", Text),
];
