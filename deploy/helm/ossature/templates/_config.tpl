{{- /* The ports that nobody needs to choose: each pod has an address of its own. */ -}}
{{- define "ossature.http-port" -}}{{ dig "http" "port" 8000 .Values.config }}{{- end -}}
{{- define "ossature.grpc-port" -}}{{ dig "grpc" "port" 9000 .Values.config }}{{- end -}}
{{- define "ossature.metrics-port" -}}{{ dig "metrics" "port" 9464 .Values.config }}{{- end -}}
{{- define "ossature.grpc-enabled" -}}{{ ternary "true" "" (dig "grpc" "enabled" true .Values.config) }}{{- end -}}
{{- define "ossature.speech-enabled" -}}{{ ternary "true" "" (dig "speech" "enabled" true .Values.config) }}{{- end -}}

{{- /* Whether jobs train, and whether Ray Train does it in pods of its own; whether any model takes adapters, or tuned ones beside it. */ -}}
{{- define "ossature.tuning-enabled" -}}{{ ternary "true" "" (dig "tuning" "enabled" false .Values.config) }}{{- end -}}
{{- define "ossature.tuning-pods" -}}
{{- $apart := and (eq (dig "tuning" "launcher" "ray" .Values.config) "ray") (ne .Values.layout "single-pod") -}}
{{- ternary (include "ossature.tuning-enabled" .) "" $apart -}}
{{- end -}}
{{- define "ossature.fetches-chat-images" -}}
{{- $sees := false -}}
{{- range .Values.models -}}{{- if .image_input -}}{{- $sees = true -}}{{- end -}}{{- end -}}
{{- ternary "true" "" (and $sees (dig "images" "fetch" true .Values.config) (not .Values.huggingFace.offline)) -}}
{{- end -}}
{{- define "ossature.takes-adapters" -}}
{{- $any := false -}}
{{- range .Values.models -}}{{- if or (dig "adapters" "enabled" false .) (.pods.mergedModels) -}}{{- $any = true -}}{{- end -}}{{- end -}}
{{- ternary "true" "" $any -}}
{{- end -}}

{{- /* Whether there is a volume for what pods share: for all of it, or beside a bucket for the folder in which jobs train. */ -}}
{{- define "ossature.storage-volume" -}}
{{- if eq .Values.storage.kind "volume" -}}true{{- else if eq .Values.storage.kind "s3" -}}{{ include "ossature.tuning-enabled" . }}{{- end -}}
{{- end -}}

{{- define "ossature.gateways" -}}
{{- mul (ternary 1 .Values.ingressPods.count (eq .Values.layout "single-pod")) .Values.ingressPods.gatewaysPerPod -}}
{{- end -}}

{{- define "ossature.speech-replicas" -}}
{{- mul (ternary 1 .Values.speechPods.count (eq .Values.layout "single-pod")) .Values.speechPods.replicasPerPod -}}
{{- end -}}

{{- /* Of a model: a name that Kubernetes takes. */ -}}
{{- define "ossature.slug" -}}
{{- regexReplaceAll "[^a-z0-9]+" (lower .) "-" | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{- /* Of a model: the Ray resource that binds its workers to its own pods. */ -}}
{{- define "ossature.model-resource" -}}
ossature_engine_{{ include "ossature.slug" . | replace "-" "_" }}
{{- end -}}

{{- /* Of a model: workers of one replica. */ -}}
{{- define "ossature.workers" -}}
{{- $engine := default dict .engine -}}
{{- mul (default 1 $engine.tensor_parallel_size) (default 1 $engine.pipeline_parallel_size) (default 1 $engine.prefill_context_parallel_size) -}}
{{- end -}}

{{- /* The configuration file. What the chart decides is written over what the values say. No secret is in it: those are variables. */ -}}
{{- define "ossature.config" -}}
{{- $models := list -}}
{{- range .Values.models -}}
{{- $placement := deepCopy (default dict .placement) -}}
{{- $own := dict (include "ossature.model-resource" .id) 1 -}}
{{- $_ := set $placement "resources_per_worker" (mergeOverwrite (default dict $placement.resources_per_worker) $own) -}}
{{- $models = append $models (set (omit (deepCopy .) "pods") "placement" $placement) -}}
{{- end -}}
{{- $gateway := dict "replicas" (include "ossature.gateways" . | int) "resources" (dict "ossature_gateway" 1) -}}
{{- $decided := dict
      "name" (include "ossature.fullname" .)
      "data_dir" "/var/lib/ossature"
      "http" (dict "host" "0.0.0.0" "port" (include "ossature.http-port" . | int))
      "metrics" (dict "host" "0.0.0.0" "port" (include "ossature.metrics-port" . | int))
      "ray" (dict "address" "auto")
      "relay" (dict "first_port" (dig "relay" "first_port" 20000 .Values.config | int))
      "gateway" $gateway
      "jobs" (dict "resources" (dict "ossature_jobs" 1))
      "tuned_models" (dict "cache_dir" "/var/cache/ossature-adapters")
-}}
{{- $stored := ternary (trimSuffix "/" .Values.storage.s3.url) "/srv/ossature" (eq .Values.storage.kind "s3") -}}
{{- if ne .Values.storage.kind "pod" -}}
{{- $_ := set $decided "files" (dict "storage_url" (printf "%s/files" $stored)) -}}
{{- $_ := set $decided.tuned_models "storage_url" (printf "%s/tuned-models" $stored) -}}
{{- end -}}
{{- if include "ossature.tuning-enabled" . -}}
{{- $tuning := dict -}}
{{- if include "ossature.storage-volume" . -}}{{- $_ := set $tuning "work_dir" "/srv/ossature/tuning" -}}{{- end -}}
{{- if include "ossature.tuning-pods" . -}}{{- $_ := set $tuning "resources" (dict "ossature_tuning" 0.001) -}}{{- end -}}
{{- $_ := set $decided "tuning" $tuning -}}
{{- end -}}
{{- if include "ossature.speech-enabled" . -}}
{{- $speech := dict "replicas" (include "ossature.speech-replicas" . | int) "resources" (dict "ossature_speech" 1) -}}
{{- $_ := set $decided "speech" $speech -}}
{{- end -}}
{{- $config := mergeOverwrite (deepCopy .Values.config) $decided -}}
{{- $_ := set $config "models" $models -}}
{{- toYaml $config -}}
{{- end -}}

{{- /*
The application for RayService. Numbers of replicas stand beside the configuration and not in it: whatever changes in `args` makes Ray
Serve replace every replica of every deployment, a changed number adds or ends replicas.
*/ -}}
{{- define "ossature.serve-config" -}}
{{- $config := include "ossature.config" . | fromYaml -}}
{{- $deployments := list (dict "name" "gateway" "num_replicas" $config.gateway.replicas) -}}
{{- $_ := unset $config.gateway "replicas" -}}
{{- if include "ossature.speech-enabled" . -}}
{{- $deployments = append $deployments (dict "name" "speech" "num_replicas" $config.speech.replicas) -}}
{{- $_ := unset $config.speech "replicas" -}}
{{- end -}}
{{- range $config.models -}}
{{- if not .autoscaling -}}
{{- $deployments = append $deployments (dict "name" (printf "engine:%s" .id) "num_replicas" (default 1 .replicas)) -}}
{{- $_ := unset . "replicas" -}}
{{- end -}}
{{- end -}}
proxy_location: EveryNode
http_options:
  host: 0.0.0.0
  port: {{ include "ossature.http-port" . }}
grpc_options:
  port: {{ include "ossature.grpc-port" . }}
  enable_reflection: {{ dig "grpc" "reflection" true .Values.config }}
  grpc_servicer_functions: {{ ternary "[cluster.edges.grpc.registration.add_services]" "[]" (include "ossature.grpc-enabled" . | not | not) }}
applications:
  - name: ossature
    route_prefix: /
    import_path: cluster.runtime.rayservice:application
    args:
      config: |
        {{- toYaml $config | nindent 8 }}
      {{- with .Values.rollout }}
      rollout: {{ toString . | quote }}
      {{- end }}
    deployments:
      {{- toYaml $deployments | nindent 6 }}
{{- end -}}
