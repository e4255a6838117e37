{{- define "thingward.name" -}}
{{- printf "%s-control" (.Release.Name | trunc 50 | trimSuffix "-") -}}
{{- end -}}

{{- define "thingward.edgeName" -}}
{{- printf "%s-edge" (.Release.Name | trunc 50 | trimSuffix "-") -}}
{{- end -}}

{{- define "thingward.labels" -}}
{{ include "thingward.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "thingward.selector" -}}
app.kubernetes.io/name: thingward
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "thingward.image" -}}
{{ required "image.repository: name the image that you built from the Dockerfile" .Values.image.repository }}:{{ required "image.tag: name its tag" .Values.image.tag }}
{{- end -}}

{{- define "thingward.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "thingward.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}
