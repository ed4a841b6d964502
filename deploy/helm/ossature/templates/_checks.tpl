{{- /* What the schema can't say: values that contradict each other. Each message names what to change. */ -}}
{{- define "ossature.checks" -}}
{{- $single := eq .Values.layout "single-pod" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "ossature.fullname" .)) -}}
{{- fail (printf "fullnameOverride: set it; no Service can be called %s" (include "ossature.fullname" .)) -}}
{{- end -}}
{{- if not .Values.models -}}{{- fail "models: name one at least; the ready-made values files show how" -}}{{- end -}}
{{- if eq .Values.database.kind "embedded" -}}
{{- if not $single -}}{{- fail "database.kind: embedded is one file, which several pods can't share; take layout single-pod, or postgresql" -}}{{- end -}}
{{- else if not .Values.database.urlSecret.name -}}
{{- fail "database.urlSecret.name: name the Secret that holds the URL of PostgreSQL, or take database.kind embedded for a trial" -}}
{{- end -}}
{{- if and .Values.database.persistence.enabled (ne .Values.database.kind "embedded") -}}
{{- fail "database.persistence: belongs to database.kind embedded" -}}
{{- end -}}
{{- if and $single .Values.autoscaling.enabled -}}{{- fail "autoscaling.enabled: there is nothing to add to layout single-pod" -}}{{- end -}}
{{- if and $single (eq .Values.mode "rayservice") (ne .Values.rayservice.upgradeStrategy.type "None") -}}
{{- fail "rayservice.upgradeStrategy.type: must be None with layout single-pod: the Service would lead to a second pod before its models are loaded" -}}
{{- end -}}
{{- if and (eq .Values.modelCache.kind "hostPath") (not .Values.modelCache.hostPath) -}}{{- fail "modelCache.hostPath: name the folder" -}}{{- end -}}
{{- if and (eq .Values.adapterCache.kind "hostPath") (not .Values.adapterCache.hostPath) -}}{{- fail "adapterCache.hostPath: name the folder" -}}{{- end -}}
{{- if and (eq .Values.storage.kind "pod") (not $single) -}}
{{- fail "storage.kind: pod is a folder of each pod, and gateways and engines must see the same files; take volume or s3" -}}
{{- end -}}
{{- if eq .Values.storage.kind "s3" -}}
{{- if not (hasPrefix "s3://" .Values.storage.s3.url) -}}{{- fail "storage.s3.url: name the bucket, s3://bucket/prefix" -}}{{- end -}}
{{- if not .Values.storage.s3.credentialsSecret.name -}}{{- fail "storage.s3.credentialsSecret.name: name the Secret with the bucket's keys" -}}{{- end -}}
{{- end -}}
{{- if include "ossature.tuning-enabled" . -}}
{{- if not (include "ossature.takes-adapters" .) -}}{{- fail "config.tuning.enabled: what is tuned could not be served: no model has adapters.enabled, and none pods.mergedModels" -}}{{- end -}}
{{- $onCpu := eq (dig "tuning" "device" "cuda" .Values.config) "cpu" -}}
{{- if and (include "ossature.tuning-pods" .) (ne $onCpu (eq (int .Values.tuningPods.gpusPerPod) 0)) -}}
{{- fail "tuningPods.gpusPerPod: 0 with config.tuning.device cpu, and only then" -}}
{{- end -}}
{{- end -}}
{{- $merged := 0 -}}
{{- range .Values.models -}}{{- $merged = add $merged (default 0 .pods.mergedModels) -}}{{- end -}}
{{- if ne (int $merged) (dig "tuned_models" "max_merged_models" 0 .Values.config | int) -}}
{{- fail "config.tuned_models.max_merged_models: must be the sum of models[].pods.mergedModels, which make room for them" -}}
{{- end -}}
{{- $slugs := dict -}}
{{- range .Values.models -}}
{{- $slug := include "ossature.slug" .id -}}
{{- if hasKey $slugs $slug -}}{{- fail (printf "models: %s and %s have the same name in Kubernetes (%s)" .id (index $slugs $slug) $slug) -}}{{- end -}}
{{- $_ := set $slugs $slug .id -}}
{{- $perReplica := default 1 .pods.perReplica | int -}}
{{- $perPod := default 1 .pods.replicasPerPod | int -}}
{{- $workers := include "ossature.workers" . | int -}}
{{- if and (gt $perReplica 1) (gt $perPod 1) -}}{{- fail (printf "models: %s: pods.perReplica and pods.replicasPerPod exclude each other" .id) -}}{{- end -}}
{{- if ne (mod $workers $perReplica) 0 -}}{{- fail (printf "models: %s: %d workers can't be divided by pods.perReplica %d" .id $workers $perReplica) -}}{{- end -}}
{{- if and (gt $perReplica 1) (eq (dig "placement" "strategy" "STRICT_PACK" .) "STRICT_PACK") -}}
{{- fail (printf "models: %s: placement.strategy STRICT_PACK keeps a replica in one pod; pods.perReplica %d needs PACK" .id $perReplica) -}}
{{- end -}}
{{- if and (gt $perReplica 1) $single -}}{{- fail (printf "models: %s: pods.perReplica needs layout separate" .id) -}}{{- end -}}
{{- if and .autoscaling $.Values.autoscaling.enabled (eq $.Values.mode "standalone") (gt $perReplica 1) -}}
{{- fail (printf "models: %s: standalone autoscaling adds single pods, pods.perReplica is %d; take mode rayservice" .id $perReplica) -}}
{{- end -}}
{{- end -}}
{{- with .Values.expose -}}
{{- if and (or .ingress.enabled .gatewayApi.enabled) (not .host) -}}{{- fail "expose.host: name the host that clients use" -}}{{- end -}}
{{- if and .tls.enabled (not .tls.secretName) -}}{{- fail "expose.tls.secretName: name the Secret of the certificate" -}}{{- end -}}
{{- if and .grpcHost (eq .grpcHost .host) -}}
{{- fail "expose.grpcHost: must be another host than expose.host: no Ingress or Gateway tells the two protocols apart" -}}
{{- end -}}
{{- if and .tls.enabled (not .ingress.enabled) (not .gatewayApi.enabled) -}}
{{- fail "expose.tls.enabled: TLS ends at the chart's Ingress or Gateway, and neither is enabled; the Service has none" -}}
{{- end -}}
{{- if and .tls.certManager.enabled (not .tls.enabled) -}}{{- fail "expose.tls.certManager.enabled: needs expose.tls.enabled" -}}{{- end -}}
{{- if and .tls.certManager.enabled (not .tls.certManager.issuerRef.name) -}}{{- fail "expose.tls.certManager.issuerRef.name: name the issuer" -}}{{- end -}}
{{- if and .gatewayApi.enabled (not .gatewayApi.gatewayClassName) (not .gatewayApi.parentRefs) -}}
{{- fail "expose.gatewayApi: give gatewayClassName for a Gateway of its own, or parentRefs of Gateways of yours" -}}
{{- end -}}
{{- end -}}
{{- include "ossature.taken-ports" . -}}
{{- if .Values.networkPolicy.enabled -}}{{- include "ossature.closed-ports" . -}}{{- end -}}
{{- end -}}

{{- /* Ports that Ray and Serve listen on in every pod: the GCS, KubeRay's metrics, dashboard, HAProxy's own, Serve's proxy, client, agent. */ -}}
{{- define "ossature.taken-ports" -}}
{{- $taken := list 6379 8080 8265 8404 8500 9101 9500 10001 52365 -}}
{{- range $section := list "http" "grpc" "metrics" -}}
{{- $port := include (printf "ossature.%s-port" $section) $ | int -}}
{{- if has $port $taken -}}{{- fail (printf "config.%s.port: %d is Ray's in these pods" $section $port) -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Of an address, like redis:6380 or https://host: its ports; where it names none, that of its scheme, or the default. */ -}}
{{- define "ossature.ports-of" -}}
{{- $named := list -}}
{{- range regexFindAll ":[0-9]+" .address -1 -}}{{- $named = append $named (trimPrefix ":" . | int) -}}{{- end -}}
{{- $scheme := ternary 443 (ternary 80 .default (hasPrefix "http://" .address)) (hasPrefix "https://" .address) -}}
{{- toJson (default (list $scheme) $named) -}}
{{- end -}}

{{- /* Addresses whose ports the policies keep closed: whoever asks there would wait until it gives up. */ -}}
{{- define "ossature.closed-ports" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $tracing := (.Values.config.tracing | default dict).endpoint -}}
{{- $asked := list
      (dict "what" "redis.address" "address" .Values.redis.address "open" (list $policy.redis.port) "named" "redis.port")
      (dict "what" "config.tracing.endpoint" "address" $tracing "open" (list $policy.tracing.port) "named" "tracing.port")
      (dict "what" "storage.s3.endpoint" "address" (ternary .Values.storage.s3.endpoint "" (eq .Values.storage.kind "s3"))
        "open" $policy.objectStore.ports "named" "objectStore.ports")
-}}
{{- range $asked -}}
{{- $flow := . -}}
{{- if .address -}}
{{- $open := list -}}{{- range .open -}}{{- $open = append $open (int .) -}}{{- end -}}
{{- range include "ossature.ports-of" (dict "address" .address "default" 6379) | fromJsonArray -}}
{{- if not (has (int .) $open) -}}
{{- fail (printf "networkPolicy.%s: port %d of %s is closed" $flow.named (int .) $flow.what) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
