{{- /*
The kinds of pods, as {"groups": [...]}, the head first. Of each: name, role, model (of engines), `pods` in all (and `fewest`, where Ray's
autoscaler takes idle ones away); `replicas` of `hosts` pods each, `min` and `max` of them; what it offers to Ray (cpus, gpus,
rayResources); whether it downloads weights, and whether it reads them without downloading (`reads`); whether it has what pods share
(`shares`: "no", "reads", "writes"); whether it keeps adapters; `spec`, what the values say of it; `gpuResource`.
*/ -}}
{{- define "ossature.groups" -}}
{{- $root := . -}}
{{- $single := eq .Values.layout "single-pod" -}}
{{- $groups := list -}}
{{- $whisper := dig "speech" "recognizer_model" "" .Values.config -}}
{{- /* Logical CPUs are what deployments reserve, and one for the odd task. */ -}}
{{- $perGateway := dig "gateway" "num_cpus" 0.1 .Values.config -}}
{{- $tuning := not (empty (include "ossature.tuning-enabled" .)) -}}
{{- $ingress := dict "name" "ingress" "role" "ingress" "pods" .Values.ingressPods.count "spec" .Values.ingressPods
      "cpus" (addf 1 (mulf .Values.ingressPods.gatewaysPerPod $perGateway) | ceil | int) "gpus" 0
      "rayResources" (dict "ossature_gateway" .Values.ingressPods.gatewaysPerPod) "downloads" false
      "reads" $tuning "shares" "writes" -}}
{{- $groups = append $groups $ingress -}}
{{- $perWorker := dig "jobs" "num_cpus" 0.1 .Values.config -}}
{{- $groups = append $groups (dict "name" "jobs" "role" "jobs" "pods" .Values.jobsPods.count "spec" .Values.jobsPods
      "cpus" (addf 1 $perWorker | ceil | int) "gpus" 0 "rayResources" (dict "ossature_jobs" 1) "downloads" false
      "reads" $tuning "shares" "writes") -}}
{{- if include "ossature.tuning-pods" . -}}
{{- $inPod := max (.Values.tuningPods.gpusPerPod | int) (dig "tuning" "workers" 1 .Values.config | int) -}}
{{- $groups = append $groups (dict "name" "tuning" "role" "tuning" "pods" .Values.tuningPods.count "spec" .Values.tuningPods
      "cpus" (add 1 $inPod) "gpus" (.Values.tuningPods.gpusPerPod | int) "gpuResource" .Values.tuningPods.gpuResource
      "rayResources" (dict "ossature_tuning" 1) "downloads" false "reads" true "shares" "writes"
      "fewest" (ternary 0 .Values.tuningPods.count .Values.autoscaling.enabled)) -}}
{{- end -}}
{{- if include "ossature.speech-enabled" . -}}
{{- $perSpeech := dig "speech" "num_cpus" 0.1 .Values.config -}}
{{- $gpus := mulf .Values.speechPods.replicasPerPod (dig "speech" "num_gpus" 0 .Values.config) | ceil | int -}}
{{- $groups = append $groups (dict "name" "speech" "role" "speech" "pods" .Values.speechPods.count "spec" .Values.speechPods
      "cpus" (addf 1 (mulf .Values.speechPods.replicasPerPod $perSpeech) | ceil | int) "gpus" $gpus
      "gpuResource" .Values.speechPods.gpuResource
      "rayResources" (dict "ossature_speech" .Values.speechPods.replicasPerPod) "downloads" (not (empty $whisper))
      "reads" false "shares" "no") -}}
{{- end -}}
{{- range .Values.models -}}
{{- $pods := .pods -}}
{{- $perReplica := default 1 $pods.perReplica | int -}}
{{- $perPod := default 1 $pods.replicasPerPod | int -}}
{{- $workers := div (mul (include "ossature.workers" .) $perPod) $perReplica | int -}}
{{- $placement := default dict .placement -}}
{{- $gpus := mulf $workers (default 0 $placement.gpus_per_worker) | ceil | int -}}
{{- $perWorker := 1 -}}
{{- if hasKey $placement "cpus_per_worker" -}}{{- $perWorker = $placement.cpus_per_worker -}}{{- end -}}
{{- /* Tuned models with engines of their own run in the pods of their base: room for so many replicas more. */ -}}
{{- $merged := default 0 $pods.mergedModels | int -}}
{{- $adapters := or (dig "adapters" "enabled" false .) (gt $merged 0) -}}
{{- $low := default 1 .replicas | int -}}
{{- $high := max $low (default 0 $pods.maxReplicas | int) -}}
{{- with .autoscaling -}}{{- $low = default 1 .min_replicas | int -}}{{- $high = .max_replicas | int -}}{{- end -}}
{{- /* Ray's autoscaler takes idle pods away: there are as many as replicas, and none for tuned models that there aren't yet. */ -}}
{{- $fewest := mul (divf (ternary $low (add $low $merged) $root.Values.autoscaling.enabled) $perPod | ceil | int) $perReplica -}}
{{- $low = add $low $merged -}}{{- $high = add $high $merged -}}
{{- $ofWorker := merge (dict (include "ossature.model-resource" .id) 1) (default dict $placement.resources_per_worker) -}}
{{- $offered := dict -}}
{{- range $name, $amount := $ofWorker -}}{{- $_ := set $offered $name (mulf $amount $workers) -}}{{- end -}}
{{- $lowGroups := divf $low $perPod | ceil | int -}}
{{- $groups = append $groups (dict "name" (printf "engine-%s" (include "ossature.slug" .id)) "role" "engine" "spec" $pods
      "model" (include "ossature.slug" .id) "id" .id "replicas" $lowGroups "hosts" $perReplica "pods" (mul $lowGroups $perReplica) "fewest" $fewest
      "min" $lowGroups "max" (divf $high $perPod | ceil | int) "autoscaling" .autoscaling
      "cpus" (addf 1 (mulf $workers $perWorker) | ceil | int) "gpus" $gpus
      "gpuResource" (default "nvidia.com/gpu" $pods.gpuResource) "rayResources" $offered "ofWorker" $ofWorker "downloads" true
      "reads" false "shares" (ternary "reads" "no" $adapters) "adapters" $adapters
      "allCpus" (mulf $low (include "ossature.workers" . | int) $perWorker) "allWorkers" (mul $low (include "ossature.workers" .))
      "allGpus" (mulf $low (include "ossature.workers" . | int) (default 0 $placement.gpus_per_worker))) -}}
{{- end -}}
{{- /* It checks that folders of models exist, and backups are made there. Weights of the Hub it has no use for: a node without the
cache's folder, or beyond the reach of its volume, can hold it. */ -}}
{{- $folders := $tuning -}}
{{- range .Values.models -}}{{- if hasPrefix "/var/cache/ossature" .source -}}{{- $folders = true -}}{{- end -}}{{- end -}}
{{- $head := dict "name" "head" "role" "head" "pods" 1 "spec" .Values.head "cpus" 0 "gpus" 0 "rayResources" dict "downloads" false
      "reads" $folders "shares" "writes" -}}
{{- if $single -}}
{{- /* One pod has all of it. */ -}}
{{- $cpus := 1.0 -}}{{- $gpus := 0.0 -}}{{- $offered := dict -}}{{- $resource := "nvidia.com/gpu" -}}
{{- range $groups -}}
{{- $group := . -}}
{{- if eq .role "engine" -}}
{{- $cpus = addf $cpus .allCpus 1 -}}{{- $gpus = addf $gpus .allGpus -}}
{{- range $name, $amount := .ofWorker -}}
{{- $_ := set $offered $name (addf (default 0 (index $offered $name)) (mulf $amount $group.allWorkers)) -}}
{{- end -}}
{{- if gt (int .gpus) 0 -}}{{- $resource = .gpuResource -}}{{- end -}}
{{- else -}}
{{- $cpus = addf $cpus .cpus -}}{{- $gpus = addf $gpus .gpus -}}{{- $offered = merge $offered .rayResources -}}
{{- end -}}
{{- end -}}
{{- $head = merge (dict "cpus" (ceil $cpus | int) "gpus" (ceil $gpus | int) "rayResources" $offered "downloads" true
      "gpuResource" $resource "adapters" (not (empty (include "ossature.takes-adapters" .)))) $head -}}
{{- $groups = list $head -}}
{{- else -}}
{{- $groups = prepend $groups $head -}}
{{- end -}}
{{- toJson (dict "groups" $groups) -}}
{{- end -}}

{{- /* GPUs of all pods together: what a second cluster takes as well. */ -}}
{{- define "ossature.gpus" -}}
{{- $sum := 0 -}}
{{- range (include "ossature.groups" . | fromJson).groups -}}{{- $sum = add $sum (mul (int .gpus) (int .pods)) -}}{{- end -}}
{{- $sum -}}
{{- end -}}

{{- define "ossature.upgrade-cost" -}}
{{- $gpus := include "ossature.gpus" . | int -}}
{{- if eq .Values.rayservice.upgradeStrategy.type "NewCluster" -}}
NewCluster: a change of the pods starts a second Ray cluster beside this one, which takes {{ $gpus }} further GPU{{ ternary "" "s" (eq $gpus 1) }} while it lasts; there is no gap.
{{- else -}}
None: a change of the pods waits until the RayService is deleted; no further GPU, and a gap of the models' load time.
{{- end -}}
{{- end -}}

{{- /* Of a group: what `ray start` is told about the node. */ -}}
{{- define "ossature.ray-start" -}}
num-cpus: {{ .cpus | int | quote }}
num-gpus: {{ .gpus | int | quote }}
object-store-memory: "134217728"
{{- if .rayResources }}
resources: {{ printf "'%s'" (toJson .rayResources) | quote }}
{{- end }}
{{- if eq .role "head" }}
dashboard-host: "0.0.0.0"
{{- end }}
{{- end -}}
