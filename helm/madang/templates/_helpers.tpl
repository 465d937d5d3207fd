{{/* The name of the chart in labels. */}}
{{- define "madang.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The beginning of every name; short enough for what stands behind it, in the labels of a StatefulSet too. */}}
{{- define "madang.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $made | trunc 44 | trimSuffix "-" -}}
{{- end -}}

{{/* The namespace of the release. */}}
{{- define "madang.namespace" -}}
{{- .Release.Namespace -}}
{{- end -}}

{{/* The value of the label helm.sh/chart. */}}
{{- define "madang.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What selects the pods of a component; it can never change. Call with (list $ "chat"). */}}
{{- define "madang.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "madang.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 | quote }}
{{- end -}}

{{/* All labels of an object. Call with (list $ "chat"). */}}
{{- define "madang.labels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
      "app.kubernetes.io/version" $root.Chart.AppVersion
      "app.kubernetes.io/part-of" "madang"
      "app.kubernetes.io/managed-by" $root.Release.Service
      "helm.sh/chart" (include "madang.chart" $root) -}}
{{- merge (include "madang.selectorLabels" . | fromYaml) $own $root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Name, namespace and labels of an object. Call with (list $ "chat" "-suffix"). */}}
{{- define "madang.metadata" -}}
{{- $root := index . 0 -}}
name: "{{ include "madang.fullname" $root }}{{ index . 2 }}"
namespace: "{{ include "madang.namespace" $root }}"
labels:
  {{- include "madang.labels" (list $root (index . 1)) | nindent 2 }}
{{- end -}}

{{/* An image with registry, tag and digest. Call with (list $ .Values.image). */}}
{{- define "madang.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := $root.Values.global.imageRegistry | default $image.registry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* The name of the service account. */}}
{{- define "madang.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "madang.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* What every pod has: no token, no variables of Services (a Service "madang" would set MADANG_PORT), no root. Call with (list $ podSecurityContext), and a map of sysctls if there shall be any. */}}
{{- define "madang.podBasics" -}}
{{- $root := index . 0 -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
  {{- $id := get (index $ 1) $key }}
  {{- if $id }}
  {{ $key }}: {{ int64 $id }}
  {{- end }}
  {{- end }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
  {{- if gt (len .) 2 }}
  sysctls:
    {{- range $name, $value := index . 2 }}
    - name: {{ $name }}
      value: {{ $value | quote }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* The security context of every container. */}}
{{- define "madang.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop:
    - ALL
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Says which broker the pods use: chart, external or memory. */}}
{{- define "madang.broker" -}}
{{- if .Values.redis.enabled -}}chart
{{- else if or .Values.externalRedis.url .Values.externalRedis.existingSecretUrlKey -}}external
{{- else -}}memory
{{- end -}}
{{- end -}}

{{/* "true" if there may be more than one pod, else nothing. */}}
{{- define "madang.several" -}}
{{- if .Values.autoscaling.enabled -}}{{- if gt (int .Values.autoscaling.minReplicas) 1 -}}true{{- end -}}
{{- else if .Values.keda.enabled -}}{{- if gt (int .Values.keda.minReplicas) 1 -}}true{{- end -}}
{{- else if gt (int .Values.replicaCount) 1 -}}true
{{- end -}}
{{- end -}}

{{/* "true" if there may be more than one pod at some time, by values or by hand, else nothing. */}}
{{- define "madang.severalOnce" -}}
{{- if eq (include "madang.broker" .) "memory" -}}
{{- else if .Values.autoscaling.enabled -}}{{- if gt (int .Values.autoscaling.maxReplicas) 1 -}}true{{- end -}}
{{- else if .Values.keda.enabled -}}{{- if gt (int .Values.keda.maxReplicas) 1 -}}true{{- end -}}
{{- else if gt (max (int .Values.replicaCount) (int (include "madang.replicas" .))) 1 -}}true
{{- end -}}
{{- end -}}

{{/*
The number of pods, or nothing where somebody else decides it. The live number stays as long as replicaCount is what it
was at the last upgrade, so that kubectl scale is respected; the annotation remembers that.
*/}}
{{- define "madang.replicas" -}}
{{- if not (or .Values.autoscaling.enabled .Values.keda.enabled .Values.gitops.enabled) -}}
{{- $want := int .Values.replicaCount -}}
{{- $live := lookup "apps/v1" "Deployment" (include "madang.namespace" .) (include "madang.fullname" .) | default dict -}}
{{- $before := dig "metadata" "annotations" "madang.dev/replica-count" "" $live -}}
{{- if eq $before (toString $want) -}}
{{- $want = int (dig "spec" "replicas" $want $live) -}}
{{- end -}}
{{- $want -}}
{{- end -}}
{{- end -}}

{{/*
Prefers zones with few pods of the chat. It is no constraint of topology spread, since the scheduler ignores all of
those, the one for nodes too, where nodes have no label for one of them: in kind, minikube, and many a cluster of one's own.
*/}}
{{- define "madang.zones" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: topology.kubernetes.io/zone
        labelSelector:
          matchLabels:
            {{- include "madang.selectorLabels" (list . "chat") | nindent 12 }}
{{- end -}}

{{/* A duration such as 250ms, 20s or 1m30s in milliseconds; fails if it is none. Call with (list "name" "20s"). */}}
{{- define "madang.milliseconds" -}}
{{- $text := index . 1 | toString -}}
{{- if not (regexMatch "^([0-9]+ ?(ms|s|m|h|d) ?)+$" $text) -}}
{{- fail (printf "ERROR: %s is %q, which is no duration; set a whole number with its unit (ms, s, m, h, d), such as 20s or 1m30s" (index . 0) $text) -}}
{{- end -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- $sum := 0 -}}
{{- range $part := regexFindAll "[0-9]+ ?(ms|s|m|h|d)" $text -1 -}}
{{- $digits := regexFind "^[0-9]+" $part -}}
{{- $sum = add $sum (mul (int64 $digits) (get $units (regexFind "[a-z]+$" $part))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* The seconds that a leaving pod needs, rounded up. */}}
{{- define "madang.drainSeconds" -}}
{{- $delay := include "madang.milliseconds" (list "settings.drain.delay" (dig "drain" "delay" "5s" .Values.settings)) | int64 -}}
{{- $window := include "madang.milliseconds" (list "settings.drain.window" (dig "drain" "window" "20s" .Values.settings)) | int64 -}}
{{- add (div (add $delay $window 999) 1000) 10 -}}
{{- end -}}

{{/* A Kubernetes quantity in bytes. Call with (list "name" "512Mi"). */}}
{{- define "madang.bytes" -}}
{{- $text := index . 1 | toString -}}
{{- if not (regexMatch "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$" $text) -}}
{{- fail (printf "ERROR: %s is %q, which is no size; set a number with its unit, such as 512Mi or 2Gi" (index . 0) $text) -}}
{{- end -}}
{{- $units := dict "" 1 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 -}}
{{- mulf (regexFind "^[0-9.]+" $text | float64) (get $units (regexFind "[A-Za-z]*$" $text) | float64) | floor | int64 -}}
{{- end -}}

{{/* The beginning of every key and channel; 64 bytes are the most that the program takes. */}}
{{- define "madang.prefix" -}}
{{- $made := printf "%s:%s" (include "madang.namespace" .) .Release.Name -}}
{{- if gt (len $made) 64 -}}
{{- $made = printf "%s-%s" (trunc 55 $made) (sha256sum $made | trunc 8) -}}
{{- end -}}
{{- .Values.redis.prefix | default $made -}}
{{- end -}}

{{/* The name of the fleet, by which nodes tell their own from another one under the same prefix; 64 bytes at most. */}}
{{- define "madang.fleetName" -}}
{{- $made := printf "%s/%s" (include "madang.namespace" .) .Release.Name -}}
{{- if gt (len $made) 64 -}}
{{- $made = printf "%s-%s" (trunc 55 $made) (sha256sum $made | trunc 8) -}}
{{- end -}}
{{- $made -}}
{{- end -}}

{{/* The Secret with the password of Redis; empty if there is none. */}}
{{- define "madang.passwordSecret" -}}
{{- $broker := include "madang.broker" . -}}
{{- if eq $broker "chart" -}}
{{- .Values.redis.auth.existingSecret | default (printf "%s-redis" (include "madang.fullname" .)) -}}
{{- else if eq $broker "external" -}}
{{- if .Values.externalRedis.password -}}{{ include "madang.fullname" . }}-external-redis
{{- else if .Values.externalRedis.existingSecretPasswordKey -}}{{ .Values.externalRedis.existingSecret }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the password of the sentinels; empty if there is none. */}}
{{- define "madang.sentinelSecret" -}}
{{- if eq (include "madang.broker" .) "external" -}}
{{- if .Values.externalRedis.sentinel.password -}}{{ include "madang.fullname" . }}-external-redis
{{- else -}}{{ .Values.externalRedis.sentinel.existingSecret }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Ports of the external Redis as a JSON list: those in its URL, and those that it does not tell. */}}
{{- define "madang.externalRedisPorts" -}}
{{- $url := .Values.externalRedis.url -}}
{{- $ports := list -}}
{{- if or (not $url) (contains "+" (regexFind "^[^:]+" $url)) -}}
{{- range .Values.externalRedis.ports }}{{ $ports = append $ports (int .) }}{{ end -}}
{{- end -}}
{{- if $url -}}
{{- $hosts := regexReplaceAll "^[^:]+://([^@/]*@)?" $url "" | regexFind "^[^/]+" -}}
{{- range splitList "," $hosts -}}
{{- $port := regexFind ":[0-9]+$" . | trimPrefix ":" | default (ternary "26379" "6379" (contains "+sentinel:" $url)) -}}
{{- $ports = append $ports (int $port) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* The key of the password of Redis in its Secret. */}}
{{- define "madang.passwordKey" -}}
{{- if .Values.redis.enabled -}}
{{- ternary .Values.redis.auth.existingSecretPasswordKey "redis-password" (ne .Values.redis.auth.existingSecret "") -}}
{{- else -}}
{{- ternary "redis-password" .Values.externalRedis.existingSecretPasswordKey (ne .Values.externalRedis.password "") -}}
{{- end -}}
{{- end -}}

{{/* The origins of the hosts that the chart exposes, by commas; nothing if there are none or one has a wildcard. */}}
{{- define "madang.origins" -}}
{{- $origins := list -}}
{{- $hosts := list -}}
{{- if .Values.ingress.enabled -}}
{{- $secure := list -}}
{{- range .Values.ingress.tls }}{{ $secure = concat $secure (.hosts | default list) }}{{ end -}}
{{- range .Values.ingress.hosts -}}
{{- $hosts = append $hosts . -}}
{{- $origins = append $origins (printf "https://%s" .) -}}
{{- if not (has . $secure) }}{{ $origins = append $origins (printf "http://%s" .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if .Values.httpRoute.enabled -}}
{{- range .Values.httpRoute.hostnames -}}
{{- $hosts = append $hosts . -}}
{{- $origins = append $origins (printf "%s://%s" $.Values.httpRoute.scheme .) -}}
{{- end -}}
{{- end -}}
{{- if not (contains "*" (join "," $hosts)) -}}
{{- $origins | uniq | join "," -}}
{{- end -}}
{{- end -}}

{{/* The variables of the settings, as a map. */}}
{{- define "madang.settings" -}}
{{- $vars := dict "MADANG_FLEET__NAME" (include "madang.fleetName" .) -}}
{{- $broker := include "madang.broker" . -}}
{{- if eq $broker "memory" -}}
{{- /* Where a pod finds out that somebody has scaled what cannot be scaled. */}}
{{- $_ := set $vars "MADANG_FLEET__PEERS" (printf "%s-internal" (include "madang.fullname" .)) -}}
{{- else -}}
{{- $_ := set $vars "MADANG_REDIS__PREFIX" (include "madang.prefix" .) -}}
{{- end -}}
{{- if eq $broker "chart" -}}
{{- $_ := set $vars "MADANG_REDIS__URL" (printf "redis://%s-redis:6379" (include "madang.fullname" .)) -}}
{{- $_ := set $vars "MADANG_REDIS__USERNAME" "madang" -}}
{{- else if eq $broker "external" -}}
{{- with .Values.externalRedis.url }}{{ $_ := set $vars "MADANG_REDIS__URL" . }}{{ end -}}
{{- with .Values.externalRedis.username }}{{ $_ := set $vars "MADANG_REDIS__USERNAME" . }}{{ end -}}
{{- with .Values.externalRedis.sentinel.username }}{{ $_ := set $vars "MADANG_REDIS__SENTINEL_USERNAME" . }}{{ end -}}
{{- if include "madang.sentinelSecret" . }}{{ $_ := set $vars "MADANG_REDIS__SENTINEL_PASSWORD_FILE" "/etc/madang/redis-sentinel/password" }}{{ end -}}
{{- if .Values.externalRedis.tls.caSecret }}{{ $_ := set $vars "MADANG_REDIS__CA_FILE" "/etc/madang/redis-ca/ca.crt" }}{{ end -}}
{{- end -}}
{{- if include "madang.passwordSecret" . }}{{ $_ := set $vars "MADANG_REDIS__PASSWORD_FILE" "/etc/madang/redis/password" }}{{ end -}}
{{- if .Values.api.existingSecret }}{{ $_ := set $vars "MADANG_API__KEYS_FILE" "/etc/madang/api/keys.toml" }}{{ end -}}
{{- if .Values.identity.existingSecret }}{{ $_ := set $vars "MADANG_IDENTITY__KEY_FILE" "/etc/madang/identity/key" }}{{ end -}}
{{- with include "madang.origins" . }}{{ $_ := set $vars "MADANG_SERVER__ALLOWED_ORIGINS" . }}{{ end -}}
{{- range $section, $settings := .Values.settings -}}
{{- range $key, $value := $settings -}}
{{- if not (kindIs "invalid" $value) -}}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end -}}
{{- if kindIs "slice" $value }}{{ $value = join "," $value }}{{ end -}}
{{- $_ := set $vars (printf "MADANG_%s__%s" (upper $section) (upper $key)) (toString $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $vars -}}
{{- end -}}

{{/* A PodMonitor. Call with (list $ component suffix port). */}}
{{- define "madang.podMonitor" -}}
{{- $root := index . 0 -}}
{{- $m := $root.Values.metrics.podMonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: "{{ include "madang.fullname" $root }}{{ index . 2 }}"
  namespace: "{{ include "madang.namespace" $root }}"
  labels:
    {{- merge (include "madang.labels" (list $root (index . 1)) | fromYaml) $m.labels | toYaml | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "madang.selectorLabels" (list $root (index . 1)) | nindent 6 }}
  podMetricsEndpoints:
    - port: {{ index . 3 }}
      path: /metrics
      {{- with $m.interval }}
      interval: {{ . }}
      {{- end }}
      {{- with $m.scrapeTimeout }}
      scrapeTimeout: {{ . }}
      {{- end }}
      {{- with $m.relabelings }}
      relabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $m.metricRelabelings }}
      metricRelabelings:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
