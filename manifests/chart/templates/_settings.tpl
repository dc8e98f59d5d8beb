{{/* settings: variables of a container. Each replaces the variable of the same name. Context:
container, settings. */}}
{{- define "settings" -}}
{{- $container := .container -}}
{{- range $name, $value := .settings -}}
  {{- /* Helm reads every number of a file as a float64, whose text is 1e+06 from a million on. */ -}}
  {{- if and (kindIs "float64" $value) (eq $value (floor $value)) -}}{{- $value = int64 $value -}}{{- end -}}
  {{- $variable := dict "name" (printf "REGISTRY_ADMISSION_%s" ($name | upper | replace "-" "_")) "value" (toString $value) -}}
  {{- $env := list -}}
  {{- $found := false -}}
  {{- range $container.env -}}
    {{- if eq .name $variable.name -}}
      {{- $env = append $env $variable -}}{{- $found = true -}}
    {{- else -}}
      {{- $env = append $env . -}}
    {{- end -}}
  {{- end -}}
  {{- $_ := set $container "env" (ternary $env (append $env $variable) $found) -}}
{{- end -}}
{{- end -}}

{{/* files: settings whose value is a file, each from a volume of its own, so that a changed Secret
reaches the Pod. Context: pod, files. */}}
{{- define "files" -}}
{{- $container := first .pod.containers -}}
{{- range $name, $file := .files -}}
  {{- $folder := printf "/etc/registry-admission/%s" $name -}}
  {{- $volume := dict "name" $name -}}
  {{- if $file.secret -}}
    {{- $_ := set $volume "secret" (dict "secretName" $file.secret) -}}
  {{- else -}}
    {{- $_ := set $volume "configMap" (dict "name" $file.configMap) -}}
  {{- end -}}
  {{- $_ := set $.pod "volumes" (append $.pod.volumes $volume) -}}
  {{- $mount := dict "name" $name "mountPath" $folder "readOnly" true -}}
  {{- $_ := set $container "volumeMounts" (append $container.volumeMounts $mount) -}}
  {{- include "settings" (dict "container" $container "settings" (dict $name (printf "%s/%s" $folder $file.key))) -}}
{{- end -}}
{{- end -}}

{{/* gateway.withoutCA: the registry's certificate is checked by the system's authorities. Context: the
Pod's spec. */}}
{{- define "gateway.withoutCA" -}}
{{- $container := first .containers -}}
{{- $env := list -}}
{{- range $container.env }}{{ if ne .name "REGISTRY_ADMISSION_UPSTREAM_CA" }}{{ $env = append $env . }}{{ end }}{{ end -}}
{{- $mounts := list -}}
{{- range $container.volumeMounts }}{{ if ne .name "registry-ca" }}{{ $mounts = append $mounts . }}{{ end }}{{ end -}}
{{- $volumes := list -}}
{{- range .volumes }}{{ if ne .name "registry-ca" }}{{ $volumes = append $volumes . }}{{ end }}{{ end -}}
{{- $_ := set $container "env" $env -}}
{{- $_ := set $container "volumeMounts" $mounts -}}
{{- $_ := set . "volumes" $volumes -}}
{{- end -}}
