{{/* The part of kustomize that the manifests beside this chart need. */}}

{{/* kustomize.add: the objects of a folder, and its patches. Context: root, folder, state (with the
list `objects`). */}}
{{- define "kustomize.add" -}}
{{- $root := .root -}}{{- $folder := .folder -}}{{- $state := .state -}}
{{- $file := $root.Files.Get (printf "%s/kustomization.yaml" $folder) | fromYaml -}}
{{- range $file.resources -}}
  {{- $path := printf "%s/%s" $folder . | clean -}}
  {{- if hasSuffix ".yaml" . -}}
    {{- range regexSplit "(?m)^---$" ($root.Files.Get $path) -1 -}}
      {{- $object := fromYaml . -}}
      {{- if $object.kind -}}
        {{- $_ := set $state "objects" (append $state.objects $object) -}}
      {{- end -}}
    {{- end -}}
  {{- else -}}
    {{- include "kustomize.add" (dict "root" $root "folder" $path "state" $state) -}}
  {{- end -}}
{{- end -}}
{{- range $file.configMapGenerator -}}
  {{- $data := dict -}}
  {{- range .files -}}
    {{- $_ := set $data . ($root.Files.Get (printf "%s/%s" $folder .)) -}}
  {{- end -}}
  {{- $metadata := dict "name" .name "namespace" .namespace "labels" .options.labels -}}
  {{- $object := dict "apiVersion" "v1" "kind" "ConfigMap" "metadata" $metadata "data" $data -}}
  {{- $_ := set $state "objects" (append $state.objects $object) -}}
{{- end -}}
{{- range $patch := $file.patches -}}
  {{- $text := $root.Files.Get (printf "%s/%s" $folder $patch.path) -}}
  {{- if $patch.target -}}
    {{- range $state.objects -}}
      {{- if eq (include "kustomize.matches" (dict "object" . "target" $patch.target)) "yes" -}}
        {{- include "kustomize.patch" (dict "object" . "operations" (fromYamlArray $text)) -}}
      {{- end -}}
    {{- end -}}
  {{- else -}}
    {{- $change := fromYaml $text -}}
    {{- range $state.objects -}}
      {{- if and (eq .kind $change.kind) (eq .metadata.name $change.metadata.name) -}}
        {{- $_ := mergeOverwrite . $change -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $file.components -}}
  {{- $path := printf "%s/%s" $folder . | clean -}}
  {{- include "kustomize.add" (dict "root" $root "folder" $path "state" $state) -}}
{{- end -}}
{{- end -}}

{{- define "kustomize.matches" -}}
{{- $kind := default .object.kind .target.kind -}}
{{- $group := default "" .target.group -}}
{{- $name := default "" .target.name -}}
{{- if and (eq .object.kind $kind) (hasPrefix $group .object.apiVersion) (regexMatch (printf "^%s$" $name) .object.metadata.name) -}}
yes
{{- end -}}
{{- end -}}

{{/* kustomize.patch: JSON patch (RFC 6902) of an object in place, without list positions. */}}
{{- define "kustomize.patch" -}}
{{- $object := .object -}}
{{- range .operations -}}
  {{- $parts := splitList "/" (trimPrefix "/" .path) -}}
  {{- $node := $object -}}{{- $holder := $object -}}{{- $key := "" -}}
  {{- range initial $parts -}}
    {{- if kindIs "slice" $node -}}
      {{- $node = index $node (int .) -}}
    {{- else -}}
      {{- $holder = $node -}}{{- $key = . -}}{{- $node = index $node . -}}
    {{- end -}}
  {{- end -}}
  {{- if kindIs "slice" $node -}}
    {{- if or (ne .op "add") (ne (last $parts) "-") -}}
      {{- fail (printf "%s %s is not supported here" .op .path) -}}
    {{- end -}}
    {{- $_ := set $holder $key (append $node .value) -}}
  {{- else if eq .op "remove" -}}
    {{- $_ := unset $node (last $parts) -}}
  {{- else -}}
    {{- $_ := set $node (last $parts) .value -}}
  {{- end -}}
{{- end -}}
{{- end -}}
