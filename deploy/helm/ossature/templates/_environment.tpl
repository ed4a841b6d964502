{{- /* What every node's Ray needs: `ossature config ray-environment` on the configuration file. A test compares the two. */ -}}
{{- define "ossature.ray-environment" -}}
{{- $haproxy := ternary "1" "0" (dig "ray" "haproxy" true .Values.config) -}}
{{- $relay := dig "relay" dict .Values.config -}}
{{- $longest := maxf (dig "admission" "request_timeout_s" 600 .Values.config) (dig "gateway" "graceful_shutdown_timeout_s" 600 .Values.config) -}}
{{- if dig "realtime" "enabled" true .Values.config -}}
{{- $longest = maxf $longest (dig "realtime" "max_session_s" 3600 .Values.config) -}}
{{- end -}}
{{- $environment := dict
      "RAY_SERVE_THROUGHPUT_OPTIMIZED" "1"
      "RAY_SERVE_ENABLE_HA_PROXY" $haproxy
      "RAY_SERVE_ENABLE_DIRECT_INGRESS" $haproxy
      "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S" "1"
      "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S" "50"
      "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE" (add (dig "http" "max_body_bytes" 33554432 .Values.config | int64) 65536 | toString)
      "RAY_SERVE_COLLECT_AUTOSCALING_METRICS_ON_HANDLE" "0"
      "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S" (addf $longest 30 | ceil | int | toString)
      "RAY_SERVE_HAPROXY_OBSERVE_ERROR_LIMIT" "1"
      "RAY_SERVE_HAPROXY_RETRIES" "16"
      "RAY_SERVE_HAPROXY_RETRY_ON" "conn-failure empty-response"
      "RAY_SERVE_HAPROXY_H2_FE_MAX_CONCURRENT_STREAMS" "1000"
      "RAY_worker_niceness" "0"
      "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS" "1000"
      "RAY_USAGE_STATS_ENABLED" "0"
      "ORT_DISABLE_TELEMETRY" "1"
      "RAY_DEDUP_LOGS" "0"
-}}
{{- if eq (default "stepped" $relay.implementation) "handle" -}}
{{- $_ := set $environment "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH" (default 134217728 $relay.max_request_bytes | int64 | toString) -}}
{{- end -}}
{{- toYaml $environment -}}
{{- end -}}

{{- /* Of a pod: dict "root" $ "group" (an item of ossature.groups). */ -}}
{{- define "ossature.environment" -}}
{{- $root := .root -}}
{{- range $name, $value := include "ossature.ray-environment" $root | fromYaml }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
# How long the node's replicas may finish what they do once the pod is told to end; new requests go elsewhere.
- {name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, value: {{ $root.Values.drainSeconds | int | toString | quote }}}
{{- if eq (int .group.gpus) 0 }}
# NVIDIA's runtime shows a node's GPUs to every container whose image asks for them, also where Kubernetes gave none.
- {name: NVIDIA_VISIBLE_DEVICES, value: void}
{{- end }}
- {name: HOME, value: /home/ossature}
- {name: HF_HOME, value: /var/cache/ossature}
{{- if $root.Values.huggingFace.offline }}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- end }}
{{- if eq $root.Values.mode "rayservice" }}
# Ray's workers run this first; in standalone mode `ossature serve` asks for it.
- {name: __RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR, value: cluster.runtime.worker_setup.plain}
{{- else }}
- {name: RAY_AUTH_MODE, value: token}
- name: RAY_AUTH_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "ossature.secret" $root }}, key: ray-token}}
{{- end }}
{{- if and $root.Values.redis.address (eq .group.role "head" | not) }}
# A head that comes back finds its workers waiting.
- {name: RAY_gcs_rpc_server_reconnect_timeout_s, value: "600"}
{{- end }}
{{- if and $root.Values.huggingFace.tokenSecret.name .group.downloads }}
- name: HF_TOKEN
  valueFrom: {secretKeyRef: {name: {{ $root.Values.huggingFace.tokenSecret.name }}, key: {{ $root.Values.huggingFace.tokenSecret.key }}}}
{{- end }}
{{- if and (eq $root.Values.storage.kind "s3") (include "ossature.asks-object-store" .) }}
{{- include "ossature.s3-environment" $root.Values.storage.s3 }}
{{- end }}
{{- if eq .group.role "head" }}
{{- include "ossature.head-environment" $root }}
{{- end }}
{{- end -}}

{{- /* Of a pod as above: gateways and jobs keep files, engines fetch adapters. The head of several pods does neither. */ -}}
{{- define "ossature.asks-object-store" -}}
{{- $whole := and (eq .group.role "head") (eq .root.Values.layout "single-pod") -}}
{{- ternary "true" "" (or $whole (has .group.role (list "ingress" "jobs")) (and (eq .group.role "engine") (eq .group.shares "reads"))) -}}
{{- end -}}

{{- define "ossature.s3-environment" }}
{{- with .endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- with .region }}
- {name: AWS_DEFAULT_REGION, value: {{ . | quote }}}
{{- end }}
{{- with .credentialsSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .accessKeyId }}}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .secretAccessKey }}}}
{{- end }}
{{- end -}}

{{- /* The head alone is given secrets of the cluster: it prepares the configuration for the others. */ -}}
{{- define "ossature.head-environment" }}
{{- $secret := include "ossature.secret" . }}
- name: OSSATURE_SECRET
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: cluster-secret}}
# There while one generation of the cluster secret takes the place of another.
- name: OSSATURE_ACCEPTED_SECRET
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: accepted-secret, optional: true}}
# Headers for the collector of traces, like a key of it.
- name: OSSATURE_TRACING__HEADERS
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: tracing-headers, optional: true}}
- name: OSSATURE_IDENTITY__ADMIN_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: admin-key}}
# For the command line: `kubectl exec` into the head and ask.
- name: OSSATURE_ADMIN_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: admin-key}}
- {name: OSSATURE_BASE_URL, value: "http://127.0.0.1:{{ include "ossature.http-port" . }}"}
- {name: OSSATURE_CONFIG, value: /etc/ossature/config.yaml}
{{- if eq .Values.database.kind "postgresql" }}
- name: OSSATURE_DATABASE__URL
  valueFrom: {secretKeyRef: {name: {{ .Values.database.urlSecret.name }}, key: {{ .Values.database.urlSecret.key }}}}
{{- end }}
{{- if and (eq .Values.mode "standalone") .Values.redis.address }}
- {name: RAY_REDIS_ADDRESS, value: {{ .Values.redis.address | quote }}}
# Of this release among all that share the Redis: releases of two namespaces may have one name.
- {name: RAY_external_storage_namespace, value: {{ printf "%s-%s" .Release.Namespace (include "ossature.fullname" .) | quote }}}
{{- if .Values.redis.passwordSecret.name }}
- name: REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .Values.redis.passwordSecret.name }}, key: {{ .Values.redis.passwordSecret.key }}}}
{{- end }}
{{- end }}
{{- end -}}
