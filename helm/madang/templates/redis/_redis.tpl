{{/* Bytes of maxmemory: the value, else half of the memory limit. */}}
{{- define "madang.redis.maxmemory" -}}
{{- if not (dig "limits" "memory" "" .Values.redis.resources) -}}
{{- fail "ERROR: Redis has no memory limit, so nothing says how much data it may hold; set redis.resources.limits.memory" -}}
{{- end -}}
{{- if .Values.redis.config.maxmemory -}}
{{- include "madang.bytes" (list "redis.config.maxmemory" .Values.redis.config.maxmemory) -}}
{{- else -}}
{{- div (include "madang.bytes" (list "redis.resources.limits.memory" .Values.redis.resources.limits.memory) | int64) 2 -}}
{{- end -}}
{{- end -}}

{{/* redis.conf. */}}
{{- define "madang.redis.config" -}}
bind * -::*
port 6379
protected-mode yes
timeout 0
tcp-keepalive 60
dir /data
aclfile /run/redis/users.acl
appendonly yes
appendfsync {{ .Values.redis.config.appendfsync }}
save ""
maxmemory {{ include "madang.redis.maxmemory" . }}
maxmemory-policy noeviction
client-output-buffer-limit pubsub 32mb 8mb 60
{{- with .Values.redis.config.extra }}
{{ . | trim }}
{{- end }}
{{- end -}}

{{/* What the chat may do: the commands that the program sends, on its own keys and channels. */}}
{{- define "madang.redis.chatRules" -}}
{{- $prefix := include "madang.prefix" . -}}
resetkeys resetchannels -@all ~{{ $prefix }}:* &{{ $prefix }}:* +del +eval +evalsha +exists +get +hdel +hget +hlen +hmget +hscan +hset +info +pexpire +pexpireat +ping +publish +sadd +select +set +smembers +srandmember +srem +subscribe +time +unsubscribe +unwatch +wait +xadd +xinfo|stream +xrange +xrevrange
{{- end -}}
