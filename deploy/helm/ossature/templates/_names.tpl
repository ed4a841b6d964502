{{- define "ossature.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- /* At most 40 characters: KubeRay adds to it, and Services have 63. */ -}}
{{- define "ossature.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "ossature.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "ossature.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/name: {{ include "ossature.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /*
Of pods: no version, since whatever changes here replaces every pod, at the cost of a second cluster's GPUs; and no
app.kubernetes.io/name, which KubeRay writes itself and finds its heads by.
*/ -}}
{{- define "ossature.pod-labels" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What pods are selected by. Labels of our own: KubeRay writes app.kubernetes.io/* and ray.io/* itself. */ -}}
{{- define "ossature.selector" -}}
ossature/cluster: {{ include "ossature.fullname" . | quote }}
{{- end -}}

{{- /* Every pod of the cluster, and not the test. */ -}}
{{- define "ossature.own-pods" -}}
podSelector:
  matchLabels:
    {{- include "ossature.selector" . | nindent 4 }}
  matchExpressions:
    - {key: ossature/role, operator: NotIn, values: [test]}
{{- end -}}

{{- define "ossature.ingress-role" -}}
{{- ternary "head" "ingress" (eq .Values.layout "single-pod") -}}
{{- end -}}

{{- define "ossature.secret" -}}
{{- default (printf "%s-secrets" (include "ossature.fullname" .)) .Values.secrets.existing -}}
{{- end -}}

{{- /* Of a ScaledObject: KEDA makes a label of it, and of its HorizontalPodAutoscaler, whose name begins with keda-hpa-: 63 in all. */ -}}
{{- define "ossature.scaler-name" -}}
{{- if gt (len .) 54 -}}{{ printf "%s-%s" (trunc 45 . | trimSuffix "-") (sha256sum . | trunc 8) }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- define "ossature.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "ossature.storage-claim" -}}
{{- default (printf "%s-storage" (include "ossature.fullname" .)) .Values.storage.volume.claimName -}}
{{- end -}}

{{- define "ossature.cache-claim" -}}
{{- default (printf "%s-models" (include "ossature.fullname" .)) .Values.modelCache.claimName -}}
{{- end -}}
