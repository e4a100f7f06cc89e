{{- define "flotilla.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "flotilla.fullname" -}}
{{- $name := include "flotilla.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels of the pods of a component, which never change. Arguments: root, component. */}}
{{- define "flotilla.selector" -}}
app.kubernetes.io/name: {{ include "flotilla.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of all objects of a component. Arguments: root, component. */}}
{{- define "flotilla.labels" -}}
{{ include "flotilla.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Name, namespace and labels of an object. Arguments: root, component, optional suffix of the name. */}}
{{- define "flotilla.metadata" -}}
name: {{ include "flotilla.fullname" .root }}-{{ .component }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "flotilla.labels" . | nindent 2 }}
{{- end -}}

{{/*
`replicas` of a Deployment that a scaler is to set: the present number while Helm alone owns it, so that turning the scaler on does not set it
to 1. Otherwise empty, since a revision keeps the number: a rollback to it would conflict with the scaler, or set an old number.
Without server-side apply Helm owns nothing. Arguments: root, component.
*/}}
{{- define "flotilla.presentReplicas" -}}
{{- $name := printf "%s-%s" (include "flotilla.fullname" .root) .component -}}
{{- $live := lookup "apps/v1" "Deployment" .root.Release.Namespace $name -}}
{{- $owners := list -}}
{{- range dig "metadata" "managedFields" list $live -}}
{{- if hasKey (dig "f:spec" dict (default dict .fieldsV1)) "f:replicas" -}}{{- $owners = append $owners .operation -}}{{- end -}}
{{- end -}}
{{- if eq (join "," $owners) "Apply" -}}
replicas: {{ max 1 $live.spec.replicas }}
{{- end -}}
{{- end -}}

{{/* The addresses of the proxies in front, as the gateway knows them. */}}
{{- define "flotilla.trustedProxies" -}}
{{- $gateway := .Values.gateway -}}
{{- if hasKey $gateway.settings "FLOTILLA_TRUSTED_PROXIES" -}}
{{ get $gateway.settings "FLOTILLA_TRUSTED_PROXIES" }}
{{- else -}}
{{ join "," $gateway.trustedProxies }}
{{- end -}}
{{- end -}}

{{- define "flotilla.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "flotilla.secretName" -}}
{{- default (printf "%s-secrets" (include "flotilla.fullname" .)) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "flotilla.brokerSecretName" -}}
{{ include "flotilla.fullname" . }}-brokers
{{- end -}}

{{/* A variable from a Secret. Arguments: name, secret, key. */}}
{{- define "flotilla.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}

{{/* Variables that name files of secrets, which services read again when they change. Arguments: variable to key. */}}
{{- define "flotilla.secretFiles" -}}
{{- range $name, $key := . }}
- {name: {{ $name }}_FILE, value: /etc/flotilla/secrets/{{ $key }}}
{{- end }}
{{- end -}}

{{/* The volume of these files. Arguments: root, keys. */}}
{{- define "flotilla.secretVolume" -}}
- name: secrets
  secret:
    secretName: {{ include "flotilla.secretName" .root }}
    defaultMode: 0440
    items:
      {{- range .keys }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end -}}

{{- define "flotilla.secretMount" -}}
- {name: secrets, mountPath: /etc/flotilla/secrets, readOnly: true}
{{- end -}}

{{/* URLs of the TURN server that clients are sent, one a line. */}}
{{- define "flotilla.turnUrls" -}}
{{- $turn := .Values.turn -}}
{{- if $turn.enabled -}}
{{- $at := printf "%s:%v" $turn.host $turn.service.port -}}
{{- $urls := list (printf "turn:%s?transport=udp" $at) (printf "turn:%s?transport=tcp" $at) -}}
{{- if or $turn.tls.secretName $turn.tls.clusterIssuer }}{{- $urls = append $urls (printf "turns:%s?transport=tcp" $at) }}{{- end -}}
{{ join "," $urls }}
{{- else -}}
{{ join "," $turn.external.urls }}
{{- end -}}
{{- end -}}

{{- define "flotilla.turnTlsSecret" -}}
{{- $tls := .Values.turn.tls -}}
{{- if $tls.secretName }}{{ $tls.secretName }}{{ else if $tls.clusterIssuer }}{{ include "flotilla.fullname" . }}-turn-tls{{ end -}}
{{- end -}}

{{/* The configuration of coturn, without what its pod adds. */}}
{{- define "flotilla.turnConfig" -}}
{{ .Files.Get "files/turnserver.conf" | trim }}
listening-port=3478
{{- range .Values.turn.allowedPeers }}
allowed-peer-ip={{ . }}
{{- end }}
{{- if include "flotilla.turnTlsSecret" . }}
tls-listening-port=5349
cert=/etc/coturn-tls/tls.crt
pkey=/etc/coturn-tls/tls.key
{{- else }}
no-tls
no-dtls
{{- end }}
{{- end -}}

{{- define "flotilla.ingressTlsSecret" -}}
{{- $tls := .Values.ingress.tls -}}
{{- if $tls.secretName }}{{ $tls.secretName }}{{ else if $tls.clusterIssuer }}{{ include "flotilla.fullname" . }}-tls{{ end -}}
{{- end -}}

{{/* The Secret of the REST API's certificate. Empty: it serves plain HTTP. */}}
{{- define "flotilla.registryTlsSecret" -}}
{{- $tls := .Values.registry.tls -}}
{{- if $tls.secretName }}{{ $tls.secretName }}{{ else if $tls.clusterIssuer }}{{ include "flotilla.fullname" . }}-registry-tls{{ end -}}
{{- end -}}

{{/* The Secret of what the console trusts, and presents where the REST API asks for certificates of its clients. */}}
{{- define "flotilla.registryClientSecret" -}}
{{- $own := .Values.console.registryTls.secretName -}}
{{- if $own }}{{ $own }}
{{- else if and .Values.registry.tls.clientCertificates .Values.registry.tls.clusterIssuer }}{{ include "flotilla.fullname" . }}-console-registry-tls
{{- else }}{{ include "flotilla.registryTlsSecret" . }}{{ end -}}
{{- end -}}

{{/* Settings of a client of the REST API, as YAML. */}}
{{- define "flotilla.registryClientSettings" -}}
{{- $at := printf "%s-registry:%v" (include "flotilla.fullname" .) .Values.registry.service.port -}}
{{- if include "flotilla.registryTlsSecret" . -}}
FLOTILLA_REGISTRY_URL: https://{{ $at }}
FLOTILLA_REGISTRY_TLS_CA_FILE: /etc/flotilla/registry-tls/ca.crt
{{- if .Values.registry.tls.clientCertificates }}
FLOTILLA_REGISTRY_TLS_CERT_FILE: /etc/flotilla/registry-tls/tls.crt
FLOTILLA_REGISTRY_TLS_KEY_FILE: /etc/flotilla/registry-tls/tls.key
{{- end }}
{{- else -}}
FLOTILLA_REGISTRY_URL: http://{{ $at }}
{{- end -}}
{{- end -}}

{{/* Their mount and volume: items of lists, or nothing. Without client certificates only `ca.crt`: the key is the registry's. */}}
{{- define "flotilla.registryClientMount" -}}
{{- if include "flotilla.registryTlsSecret" . -}}
- {name: registry-tls, mountPath: /etc/flotilla/registry-tls, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "flotilla.registryClientVolume" -}}
{{- if include "flotilla.registryTlsSecret" . -}}
- name: registry-tls
  secret:
    secretName: {{ include "flotilla.registryClientSecret" . }}
    defaultMode: 0440
    items:
      {{- range (ternary (list "ca.crt" "tls.crt" "tls.key") (list "ca.crt") .Values.registry.tls.clientCertificates) }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end -}}
{{- end -}}

{{/* Where the URLs of the brokers are, with the user of the component, as a JSON list of secret, key, variable. Arguments: root, component. */}}
{{- define "flotilla.brokerUrls" -}}
{{- $urls := list -}}
{{- range $broker := list (list "REDIS_URL" .root.Values.redis "redis-url") (list "AMQP_URL" .root.Values.rabbitmq "amqp-url") -}}
{{- $external := (index $broker 1).external -}}
{{- $secret := include "flotilla.brokerSecretName" $.root -}}
{{- $key := printf "%s-%s" $.component (index $broker 2) -}}
{{- if not (index $broker 1).enabled -}}
{{- $secret = $external.existingSecret -}}
{{- $key = ternary (printf "%s-%s" $.component $external.urlKey) $external.urlKey $external.userPerService -}}
{{- end -}}
{{- $urls = append $urls (dict "secret" $secret "key" $key "variable" (index $broker 0)) -}}
{{- end -}}
{{ toJson $urls }}
{{- end -}}

{{/* Settings of the brokers, in files, which services read again when they change. Arguments: root, component. */}}
{{- define "flotilla.brokerVariables" -}}
{{- range include "flotilla.brokerUrls" . | fromJsonArray }}
- {name: {{ .variable }}_FILE, value: /etc/flotilla/brokers/{{ .variable }}}
{{- end }}
{{- range $broker := include "flotilla.brokersWithTls" .root | fromJsonArray }}
{{- $directory := printf "/etc/flotilla/%s-tls" $broker.name }}
- {name: {{ $broker.variable }}_TLS_CA_FILE, value: {{ $directory }}/ca.crt}
{{- if $broker.clientCertificate }}
- {name: {{ $broker.variable }}_TLS_CERT_FILE, value: {{ $directory }}/tls.crt}
- {name: {{ $broker.variable }}_TLS_KEY_FILE, value: {{ $directory }}/tls.key}
{{- end }}
{{- end }}
{{- end -}}

{{/* External brokers whose certificates are in Secrets, as a JSON list of name, variable (its prefix), secretName, clientCertificate. */}}
{{- define "flotilla.brokersWithTls" -}}
{{- $brokers := list -}}
{{- range $name, $variable := dict "redis" "REDIS" "rabbitmq" "AMQP" -}}
{{- $broker := index $.Values $name -}}
{{- if and (not $broker.enabled) $broker.external.tls.secretName -}}
{{- $brokers = append $brokers (merge (dict "name" $name "variable" $variable) $broker.external.tls) -}}
{{- end -}}
{{- end -}}
{{ toJson $brokers }}
{{- end -}}

{{/* The mounts and volumes of the settings of the brokers: items of lists. */}}
{{- define "flotilla.brokerMounts" -}}
- {name: brokers, mountPath: /etc/flotilla/brokers, readOnly: true}
{{- range include "flotilla.brokersWithTls" . | fromJsonArray }}
- {name: {{ .name }}-tls, mountPath: /etc/flotilla/{{ .name }}-tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "flotilla.brokerVolumes" -}}
- name: brokers
  projected:
    defaultMode: 0440
    sources:
      {{- range include "flotilla.brokerUrls" . | fromJsonArray }}
      - secret:
          name: {{ .secret }}
          items:
            - {key: {{ .key }}, path: {{ .variable }}}
      {{- end }}
{{- range include "flotilla.brokersWithTls" .root | fromJsonArray }}
- name: {{ .name }}-tls
  secret: {secretName: {{ .secretName }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{/* Settings with values, sorted by name. Arguments: root, values (of the component), settings (of the chart). */}}
{{- define "flotilla.settings" -}}
{{- $common := dict "FLOTILLA_LOG_LEVEL" .root.Values.logLevel -}}
{{- /* An image of an earlier version does not know it. */}}
{{- if ne (int .root.Values.breakerHalfOpenSeconds) 120 }}{{- $_ := set $common "FLOTILLA_BREAKER_HALF_OPEN_SECONDS" .root.Values.breakerHalfOpenSeconds }}{{- end -}}
{{- with .root.Values.otlpEndpoint }}
{{- $_ := set $common "OTEL_EXPORTER_OTLP_ENDPOINT" . -}}
{{- $_ := set $common "OTEL_TRACES_SAMPLER_ARG" $.root.Values.traceRatio -}}
{{- end -}}
- name: FLOTILLA_INSTANCE
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- range $name, $value := mergeOverwrite $common .settings .values.settings }}
{{- if ne (toString $value) "" }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* "true" where a switch is on: by the component's settings, else by the chart's value. Arguments: settings, name, value. */}}
{{- define "flotilla.isOn" -}}
{{- if has (default .value (get .settings .name) | toString | lower) (list "true" "1" "yes" "on") }}true{{ end -}}
{{- end -}}

{{- define "flotilla.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Arguments: the id of user and group. */}}
{{- define "flotilla.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Where a pod runs, and the credentials of its images. Arguments: root, values. */}}
{{- define "flotilla.scheduling" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
tolerations:
  {{- range list "not-ready" "unreachable" }}
  - key: node.kubernetes.io/{{ . }}
    operator: Exists
    effect: NoExecute
    tolerationSeconds: {{ $.root.Values.unreachableSeconds }}
  {{- end }}
  {{- with .values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Scheduling, security and shutdown of a pod. Arguments: root, component, values, graceSeconds, apart (one pod per node), callsKubernetes, userId. */}}
{{- define "flotilla.podSpec" -}}
serviceAccountName: {{ include "flotilla.fullname" .root }}-{{ .component }}
automountServiceAccountToken: {{ default false .callsKubernetes }}
# Variables of Services would collide with settings.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .graceSeconds }}
securityContext:
  {{- include "flotilla.podSecurity" (default 10001 .userId) | nindent 2 }}
{{ include "flotilla.scheduling" . | trim }}
{{- if .apart }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "flotilla.selector" . | nindent 12 }}
{{- else }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "flotilla.selector" . | nindent 8 }}
{{- end }}
{{- end -}}

{{/* Image, probes and security of a service's container. Arguments: root, component, service, values. */}}
{{- define "flotilla.container" -}}
name: {{ .component }}
image: {{ include "flotilla.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ .service }}]
securityContext:
  {{- include "flotilla.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
startupProbe:
  httpGet: {path: /startupz, port: admin}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  {{- /* On a busy machine an answer after a second is no reason to send clients elsewhere. */}}
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}

{{/* Labels and annotations of a pod. Arguments: root, component. */}}
{{- define "flotilla.podMetadata" -}}
labels:
  {{- include "flotilla.selector" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.podAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A Service for HTTP. Arguments: root, component, service, portName, overTls. */}}
{{- define "flotilla.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "flotilla.metadata" . | nindent 2 }}
  {{- with .service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .service.type }}
  {{- if ne .service.type "ClusterIP" }}
  externalTrafficPolicy: {{ .service.externalTrafficPolicy }}
  {{- end }}
  selector:
    {{- include "flotilla.selector" . | nindent 4 }}
  ports:
    - name: {{ .portName }}
      port: {{ .service.port }}
      targetPort: {{ .portName }}
      protocol: TCP
      {{- if .overTls }}
      appProtocol: https
      {{- end }}
      {{- if and (eq .service.type "NodePort") .service.nodePort }}
      nodePort: {{ .service.nodePort }}
      {{- end }}
{{- end -}}

{{/* A field of the Services that media passes through. */}}
{{- define "flotilla.publishNotReady" -}}
# A pod that drains, or whose broker is unavailable, is not ready and still carries calls. kube-proxy drops the UDP connections of
# an endpoint that is not ready. Clients are sent to ready pods alone, by gateways and not by this Service.
publishNotReadyAddresses: true
{{- end -}}

{{/* Arguments: root, component, optional minAvailable instead of one pod at a time. */}}
{{- define "flotilla.disruptionBudget" -}}
{{- if .root.Values.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "flotilla.metadata" . | nindent 2 }}
spec:
  {{- if hasKey . "minAvailable" }}
  minAvailable: {{ .minAvailable }}
  {{- else }}
  maxUnavailable: 1
  {{- end }}
  selector:
    matchLabels:
      {{- include "flotilla.selector" . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "flotilla.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "flotilla.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{/* A Deployment's update. Arguments: values. */}}
{{- define "flotilla.strategy" -}}
type: RollingUpdate
rollingUpdate:
  {{- toYaml .strategy | nindent 2 }}
{{- end -}}
