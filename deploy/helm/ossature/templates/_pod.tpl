{{- /* The template of a group's pods: dict "root" $ "group" (an item of ossature.groups). The same in both modes but for the command. */ -}}
{{- define "ossature.pod" -}}
{{- $root := .root -}}{{- $group := .group -}}{{- $spec := .group.spec -}}
{{- $head := eq $group.role "head" -}}
{{- $standalone := eq $root.Values.mode "standalone" -}}
{{- $shared := and (include "ossature.storage-volume" $root) (or (eq $group.shares "writes") (and (eq $group.shares "reads") (eq $root.Values.storage.kind "volume"))) -}}
{{- $apiAccess := and $head $root.Values.autoscaling.enabled (not $standalone) -}}
metadata:
  labels:
    {{- include "ossature.pod-labels" $root | nindent 4 }}
    {{- include "ossature.selector" $root | nindent 4 }}
    ossature/role: {{ $group.role }}
    {{- with $group.model }}
    ossature/model: {{ . | quote }}
    {{- end }}
  {{- if and $head $standalone }}
  annotations:
    ossature/config: {{ include "ossature.config" $root | sha256sum }}
    {{- with $root.Values.rollout }}
    ossature/rollout: {{ . | quote }}
    {{- end }}
  {{- end }}
spec:
  automountServiceAccountToken: {{ $apiAccess }}
  enableServiceLinks: false
  # The pause before the end, Ray's draining, and a minute for processes to end in.
  terminationGracePeriodSeconds: {{ add (mul 2 $root.Values.drainSeconds) 60 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $root.Values.security.runAsUser | int64 }}
    runAsGroup: {{ $root.Values.security.runAsGroup | int64 }}
    fsGroup: {{ $root.Values.security.fsGroup | int64 }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      {{- toYaml $root.Values.security.seccompProfile | nindent 6 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $spec.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $spec.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $spec.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $spec.affinity }}
  affinity:
    {{- toYaml $spec.affinity | nindent 4 }}
  {{- else if eq $group.role "ingress" }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "ossature.selector" $root | nindent 16 }}
                ossature/role: ingress
  {{- end }}
  {{- with $spec.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ ternary "ray-head" "ray-worker" $head }}
      image: {{ include "ossature.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- if $standalone }}
      command: ["/bin/bash", "-c"]
      args:
        - |
          {{- include "ossature.command" . | nindent 10 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      env:
        {{- include "ossature.environment" . | trim | nindent 8 }}
      ports:
        {{- include "ossature.container-ports" . | nindent 8 }}
      {{- include "ossature.probes" . | nindent 6 }}
      lifecycle:
        # By then Kubernetes has told Services to send nothing further here. What is left then is Ray's to drain.
        preStop: {exec: {command: ["sleep", "{{ $root.Values.drainSeconds }}"]}}
      resources:
        {{- include "ossature.resources" $group | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: home, mountPath: /home/ossature}
        - {name: data, mountPath: /var/lib/ossature}
        - {name: shm, mountPath: /dev/shm}
        - {name: models, mountPath: /var/cache/ossature}
        {{- if $group.adapters }}
        - {name: adapters, mountPath: /var/cache/ossature-adapters}
        {{- end }}
        {{- if $shared }}
        - {name: storage, mountPath: /srv/ossature{{ if eq $group.shares "reads" }}, readOnly: true{{ end }}}
        {{- end }}
        {{- if $head }}
        - {name: config, mountPath: /etc/ossature, readOnly: true}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {}}
    - {name: home, emptyDir: {}}
    {{- if and $head $root.Values.database.persistence.enabled }}
    - {name: data, persistentVolumeClaim: {claimName: {{ include "ossature.fullname" $root }}-data}}
    {{- else }}
    - {name: data, emptyDir: {}}
    {{- end }}
    - {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ default "1Gi" $spec.shmSize }}}}
    {{- include "ossature.cache-volume" . | nindent 4 }}
    {{- if $group.adapters }}
    {{- include "ossature.adapter-volume" $root | nindent 4 }}
    {{- end }}
    {{- if $shared }}
    - {name: storage, persistentVolumeClaim: {claimName: {{ include "ossature.storage-claim" $root }}}}
    {{- end }}
    {{- if $head }}
    {{- /* KubeRay removes a cluster's state from Redis in a copy of this pod, which starts when the release is gone. */}}
    - {name: config, configMap: {name: {{ include "ossature.fullname" $root }}-config{{ if not $standalone }}, optional: true{{ end }}}}
    {{- end }}
{{- end -}}

{{- /* Not every pod has a use for weights. */ -}}
{{- define "ossature.cache-volume" -}}
{{- $cache := .root.Values.modelCache -}}
{{- if and (eq $cache.kind "pvc") (or .group.downloads .group.reads) -}}
- {name: models, persistentVolumeClaim: {claimName: {{ include "ossature.cache-claim" .root }}}}
{{- else if and (eq $cache.kind "hostPath") (or .group.downloads .group.reads) -}}
- {name: models, hostPath: {path: {{ $cache.hostPath | quote }}, type: Directory}}
{{- else if and .group.downloads $cache.sizeLimit -}}
- {name: models, emptyDir: {sizeLimit: {{ $cache.sizeLimit }}}}
{{- else -}}
- {name: models, emptyDir: {}}
{{- end -}}
{{- end -}}

{{- define "ossature.adapter-volume" -}}
{{- $cache := .Values.adapterCache -}}
{{- if eq $cache.kind "hostPath" -}}
- {name: adapters, hostPath: {path: {{ $cache.hostPath | quote }}, type: Directory}}
{{- else if $cache.sizeLimit -}}
- {name: adapters, emptyDir: {sizeLimit: {{ $cache.sizeLimit }}}}
{{- else -}}
- {name: adapters, emptyDir: {}}
{{- end -}}
{{- end -}}

{{- define "ossature.resources" -}}
{{- $resources := deepCopy (default dict .spec.resources) -}}
{{- if gt (int .gpus) 0 -}}
{{- $_ := set $resources "limits" (mergeOverwrite (default dict $resources.limits) (dict .gpuResource (int .gpus))) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "ossature.container-ports" -}}
- {name: exporter, containerPort: {{ include "ossature.metrics-port" .root }}}
- {name: dashboard-agent, containerPort: 52365}
{{- if eq .group.role "head" }}
- {name: gcs-server, containerPort: 6379}
- {name: dashboard, containerPort: 8265}
{{- end }}
{{- if or (eq .group.role "head") (eq .group.role "ingress") }}
- {name: serve, containerPort: {{ include "ossature.http-port" .root }}}
{{- if include "ossature.grpc-enabled" .root }}
- {name: grpc, containerPort: {{ include "ossature.grpc-port" .root }}}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Of a pod: seconds until its start-up probe gives up. That of ingress pods waits for the slowest model. */ -}}
{{- define "ossature.start-seconds" -}}
{{- if eq .group.role "ingress" -}}{{ add (include "ossature.slowest-model-seconds" .root) 300 }}{{- else -}}300{{- end -}}
{{- end -}}

{{- define "ossature.slowest-model-seconds" -}}
{{- $slowest := 60 -}}
{{- range .Values.models -}}{{- $slowest = max $slowest (default 1800 .start_timeout_s | int) -}}{{- end -}}
{{- $slowest -}}
{{- end -}}

{{- /*
Liveness asks Ray alone: a model that loads for an hour is no reason to end a pod. An ingress pod has started once every model has
answered, so that a second cluster takes no request before it can serve, and is ready while its HAProxy has a gateway.
*/ -}}
{{- define "ossature.probes" -}}
{{- $ready := dict "httpGet" (dict "path" "/-/healthz" "port" "serve") -}}
{{- $alive := dict "httpGet" (dict "path" "/api/local_raylet_healthz" "port" "dashboard-agent") -}}
{{- if eq .group.role "head" -}}
{{- $alive = dict "httpGet" (dict "path" "/api/gcs_healthz" "port" "dashboard") -}}
{{- end -}}
startupProbe:
  {{- if eq .group.role "ingress" }}
  httpGet: {path: /readyz, port: serve}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div (include "ossature.start-seconds" . | int) 5 }}
  {{- else }}
  {{- toYaml $alive | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div (include "ossature.start-seconds" . | int) 5 }}
  {{- end }}
livenessProbe:
  {{- toYaml $alive | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 12
readinessProbe:
  {{- if or (eq .group.role "ingress") (and (eq .root.Values.layout "single-pod") (eq .root.Values.mode "standalone")) }}
  {{- toYaml $ready | nindent 2 }}
  {{- else }}
  {{- toYaml $alive | nindent 2 }}
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}
