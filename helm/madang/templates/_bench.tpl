{{/* What the Job of `bench` is, but for its name, which is made of this. */}}
{{- define "madang.benchJob" -}}
{{- $b := .Values.bench -}}
{{- /* Repeated, it would measure a second time what the first one left behind. */ -}}
backoffLimit: 0
ttlSecondsAfterFinished: {{ int $b.ttlSecondsAfterFinished }}
template:
  metadata:
    labels:
      {{- merge (include "madang.selectorLabels" (list . "bench") | fromYaml) .Values.commonLabels | toYaml | nindent 6 }}
  spec:
    {{- /* A safe sysctl: the sessions of one target need a port each, and 28,232 are too few of them. */}}
    {{- $ports := dict "net.ipv4.ip_local_port_range" "1024 65535" }}
    {{- include "madang.podBasics" (list . .Values.podSecurityContext $ports) | nindent 4 }}
    restartPolicy: Never
    {{- with .Values.priorityClassName }}
    priorityClassName: {{ . }}
    {{- end }}
    {{- with $b.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $b.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- /* On the machine of a pod that it measures, it would take CPU from it. */}}
    affinity:
      podAntiAffinity:
        preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            podAffinityTerm:
              topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels:
                  {{- include "madang.selectorLabels" (list . "chat") | nindent 18 }}
    containers:
      - name: bench
        image: {{ include "madang.image" (list . .Values.image) }}
        imagePullPolicy: {{ .Values.image.pullPolicy }}
        args:
          - bench
          {{- $service := printf "http://%s:%d" (include "madang.fullname" .) (int .Values.service.port) }}
          {{- range $b.targets | default (list $service) }}
          - {{ printf "--url=%s" . | quote }}
          {{- end }}
          {{- $options := dict
                "rooms" (int $b.rooms) "members" (int $b.members) "payload" (int $b.payload) "threads" (int $b.threads)
                "ramp" (int $b.ramp) "warmup" $b.warmup "for" $b.duration "hold" $b.hold }}
          {{- if $b.rate }}{{ $options = set $options "rate" (int $b.rate) }}{{ end }}
          {{- if $b.storm }}{{ $options = set $options "storm" $b.storm }}{{ end }}
          {{- if $b.label }}{{ $options = set $options "label" $b.label }}{{ end }}
          {{- range $name, $value := $options }}
          - {{ printf "--%s=%v" $name $value | quote }}
          {{- end }}
          {{- /* The image has no shell: the log shows both, the table from stderr and the JSON from stdout. */}}
          - --json=-
          - --quiet
          {{- range $b.args }}
          - {{ . | quote }}
          {{- end }}
        resources:
          {{- toYaml $b.resources | nindent 10 }}
        securityContext:
          {{- include "madang.containerSecurityContext" . | nindent 10 }}
        terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}
