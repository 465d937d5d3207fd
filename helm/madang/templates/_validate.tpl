{{/* Refuses values that contradict one another, each with a sentence that says what to set. */}}
{{- define "madang.validate" -}}
{{- $v := .Values -}}
{{- $broker := include "madang.broker" . -}}

{{- $name := include "madang.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "ERROR: %s is no name for a Service, which begins with a letter and has only small letters, digits and -; set fullnameOverride, or another name of the release" $name) -}}
{{- end -}}

{{- if and $v.redis.enabled (or $v.externalRedis.url $v.externalRedis.existingSecretUrlKey) -}}
{{- fail "ERROR: both the Redis of the chart and an external one are chosen; set redis.enabled=false or leave externalRedis.url and externalRedis.existingSecretUrlKey empty" -}}
{{- end -}}
{{- if and (eq $broker "memory") (gt (int $v.replicaCount) 1) -}}
{{- fail "ERROR: several pods need a Redis between them; set redis.enabled=true, or externalRedis.url, or replicaCount=1" -}}
{{- end -}}
{{- if and (eq $broker "memory") (or $v.autoscaling.enabled $v.keda.enabled) -}}
{{- fail "ERROR: without Redis there can be one pod only; set autoscaling.enabled=false and keda.enabled=false, or redis.enabled=true, or externalRedis.url" -}}
{{- end -}}

{{- if and $v.externalRedis.existingSecretUrlKey (not $v.externalRedis.existingSecret) -}}
{{- fail "ERROR: externalRedis.existingSecretUrlKey names a key of no Secret; set externalRedis.existingSecret" -}}
{{- end -}}
{{- if and $v.externalRedis.url $v.externalRedis.existingSecretUrlKey -}}
{{- fail "ERROR: the external Redis has two URLs; set externalRedis.url or externalRedis.existingSecretUrlKey, not both" -}}
{{- end -}}
{{- if regexMatch "://[^/@]*:[^/@]*@" $v.externalRedis.url -}}
{{- fail "ERROR: externalRedis.url holds a password, which would stand in a ConfigMap; set externalRedis.password or externalRedis.existingSecret instead" -}}
{{- end -}}
{{- if and $v.externalRedis.password $v.externalRedis.existingSecret -}}
{{- fail "ERROR: the external Redis has two passwords; set externalRedis.password or externalRedis.existingSecret, not both" -}}
{{- end -}}
{{- if and (eq $broker "external") $v.externalRedis.tls.caSecret $v.externalRedis.url (not (hasPrefix "rediss" $v.externalRedis.url)) -}}
{{- fail "ERROR: externalRedis.tls.caSecret needs TLS; set an externalRedis.url that begins with rediss:// (or rediss+sentinel://, rediss+cluster://)" -}}
{{- end -}}
{{- $sentinel := $v.externalRedis.sentinel -}}
{{- $hasSentinelUser := or $sentinel.username $sentinel.password $sentinel.existingSecret -}}
{{- if and $hasSentinelUser $v.externalRedis.url (not (regexMatch "^rediss?[+]sentinel://" $v.externalRedis.url)) -}}
{{- fail "ERROR: externalRedis.sentinel has a user or a password, but there are no sentinels; set an externalRedis.url that begins with redis+sentinel:// or rediss+sentinel://" -}}
{{- end -}}
{{- if and $sentinel.password $sentinel.existingSecret -}}
{{- fail "ERROR: the sentinels have two passwords; set externalRedis.sentinel.password or externalRedis.sentinel.existingSecret, not both" -}}
{{- end -}}
{{- if and $sentinel.username (not (or $sentinel.password $sentinel.existingSecret)) -}}
{{- fail "ERROR: externalRedis.sentinel.username needs a password; set externalRedis.sentinel.password or externalRedis.sentinel.existingSecret" -}}
{{- end -}}
{{- if and (ne $broker "external") (or $v.externalRedis.password $v.externalRedis.existingSecret $v.externalRedis.username $v.externalRedis.tls.caSecret $hasSentinelUser) -}}
{{- fail "ERROR: externalRedis has a user, a password or a CA, but no address; set redis.enabled=false and externalRedis.url" -}}
{{- end -}}

{{- if and $v.autoscaling.enabled $v.keda.enabled -}}
{{- fail "ERROR: a HorizontalPodAutoscaler and a ScaledObject would fight over the number of pods; set autoscaling.enabled=false or keda.enabled=false" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- fail "ERROR: autoscaling.minReplicas is above autoscaling.maxReplicas; set a larger autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (not (or $v.autoscaling.sessionsPerPod $v.autoscaling.cpuUtilization $v.autoscaling.metrics)) -}}
{{- fail "ERROR: autoscaling has nothing to go by; set autoscaling.sessionsPerPod, autoscaling.cpuUtilization or autoscaling.metrics" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled $v.autoscaling.cpuUtilization (not (dig "requests" "cpu" "" $v.resources)) -}}
{{- fail "ERROR: autoscaling.cpuUtilization is a part of what is requested; set resources.requests.cpu, or autoscaling.cpuUtilization=0" -}}
{{- end -}}
{{- if and $v.keda.enabled (gt (int $v.keda.minReplicas) (int $v.keda.maxReplicas)) -}}
{{- fail "ERROR: keda.minReplicas is above keda.maxReplicas; set a larger keda.maxReplicas" -}}
{{- end -}}
{{- if and $v.keda.enabled (not $v.keda.serverAddress) -}}
{{- fail "ERROR: the ScaledObject asks nobody; set keda.serverAddress to the address of Prometheus" -}}
{{- end -}}

{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- fail "ERROR: the Ingress has no host; set ingress.hosts" -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- fail "ERROR: the HTTPRoute belongs to no Gateway; set httpRoute.parentRefs" -}}
{{- end -}}
{{- if and $v.service.nodePort (eq $v.service.type "ClusterIP") -}}
{{- fail "ERROR: a Service of type ClusterIP has no port on the nodes; set service.type=NodePort or leave service.nodePort null" -}}
{{- end -}}

{{- $need := include "madang.drainSeconds" . | int64 -}}
{{- if and (not (kindIs "invalid" $v.terminationGracePeriodSeconds)) (lt (int64 $v.terminationGracePeriodSeconds) $need) -}}
{{- fail (printf "ERROR: terminationGracePeriodSeconds is %d, but leaving takes drain.delay + drain.window + 10 = %d; set terminationGracePeriodSeconds to null or at least %d, or a shorter settings.drain.window" (int64 $v.terminationGracePeriodSeconds) $need $need) -}}
{{- end -}}
{{- if and (has (toString $v.rollout.maxSurge) (list "0" "0%")) (has (toString $v.rollout.maxUnavailable) (list "0" "0%")) -}}
{{- fail "ERROR: a rollout could never begin; set rollout.maxSurge or rollout.maxUnavailable above 0" -}}
{{- end -}}

{{- range $name, $image := dict "image" $v.image "redis.image" $v.redis.image "redis.metrics.image" $v.redis.metrics.image -}}
{{- if and (eq $image.tag "latest") (not $image.digest) -}}
{{- fail (printf "ERROR: %s.tag is latest, which names another program every day; set a version" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $v.metrics.podMonitor.enabled $v.metrics.scrapeAnnotations -}}
{{- fail "ERROR: the pods would be scraped twice; set metrics.podMonitor.enabled=false or metrics.scrapeAnnotations=false" -}}
{{- end -}}

{{- $sends := dig "limits" "sends_per_second" "" $v.settings | toString | default "10" | int -}}
{{- $most := mul $sends (int $v.bench.rooms) (int $v.bench.members) -}}
{{- if and $v.bench.enabled (not $v.bench.targets) (not $v.bench.args) $sends (gt (int $v.bench.rate) (int $most)) -}}
{{- fail (printf "ERROR: bench.rate is %d, but its sessions may send %d together; set a smaller bench.rate, or a larger settings.limits.sends_per_second with settings.limits.requests_per_second" (int $v.bench.rate) (int $most)) -}}
{{- end -}}
{{- if and $v.bench.enabled (gt (int $v.bench.threads) (int $v.bench.rooms)) -}}
{{- fail (printf "ERROR: bench.threads is %d, but there are %d rooms and a thread has whole ones; set a smaller bench.threads or a larger bench.rooms" (int $v.bench.threads) (int $v.bench.rooms)) -}}
{{- end -}}

{{- if $v.redis.enabled -}}
{{- include "madang.validateRedis" . -}}
{{- end -}}
{{- if and $v.gitops.enabled $v.redis.enabled (not (or $v.redis.auth.existingSecret $v.redis.auth.password)) -}}
{{- fail "ERROR: gitops.enabled allows no generated password, which would be another one at each rendering; set redis.auth.existingSecret" -}}
{{- end -}}
{{- end -}}

{{/* The same for the Redis of the chart. */}}
{{- define "madang.validateRedis" -}}
{{- $r := .Values.redis -}}
{{- if and $r.auth.existingSecret (or $r.auth.password $r.auth.previousPassword) -}}
{{- fail "ERROR: Redis has two sources of its password; set redis.auth.existingSecret or redis.auth.password, not both" -}}
{{- end -}}
{{- $maxmemory := include "madang.redis.maxmemory" . | int64 -}}
{{- if gt (mul $maxmemory 10) (mul (include "madang.bytes" (list "redis.resources.limits.memory" $r.resources.limits.memory) | int64) 6) -}}
{{- fail "ERROR: redis.config.maxmemory is above 60 % of the memory limit, and rewriting the append-only file could kill Redis; set a smaller redis.config.maxmemory or a larger redis.resources.limits.memory" -}}
{{- end -}}
{{- if $r.persistence.enabled -}}
{{- $own := $r.persistence.existingClaim -}}
{{- $size := include "madang.bytes" (list "redis.persistence.size" $r.persistence.size) | int64 -}}
{{- if and (not $own) (lt $size (mul $maxmemory 4)) -}}
{{- fail (printf "ERROR: redis.persistence.size is %s, but an append-only file and its rewriting need four times maxmemory (%d bytes); set a redis.persistence.size of at least %d" $r.persistence.size $maxmemory (mul $maxmemory 4)) -}}
{{- end -}}
{{- if not .Values.gitops.enabled -}}
{{- $name := $own | default (printf "%s-redis" (include "madang.fullname" .)) -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" (include "madang.namespace" .) $name | default dict -}}
{{- $now := dig "spec" "resources" "requests" "storage" "" $claim -}}
{{- if and $now (regexMatch "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$" $now) -}}
{{- $has := include "madang.bytes" (list "the claim" $now) | int64 -}}
{{- if and $own (lt $has (mul $maxmemory 4)) -}}
{{- fail (printf "ERROR: the claim %s has %s, but an append-only file and its rewriting need four times maxmemory (%d bytes); set another redis.persistence.existingClaim, or a smaller redis.config.maxmemory" $own $now $maxmemory) -}}
{{- end -}}
{{- if and (not $own) (lt $size $has) -}}
{{- fail (printf "ERROR: redis.persistence.size is %s, but the claim has %s, and a claim cannot shrink; set redis.persistence.size to at least %s" $r.persistence.size $now $now) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
