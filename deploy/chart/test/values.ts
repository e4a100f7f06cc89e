const addresses = '{203.0.113.1,203.0.113.2}';
/** Values of each way in which clients reach media. */
export const exposures = {
  hostNetwork: ['sfu.exposure=hostNetwork', 'relay.exposure=hostNetwork'],
  hostPort: ['sfu.exposure=hostPort', 'relay.exposure=hostPort'],
  nodePort: ['sfu.exposure=nodePort', 'sfu.portBase=30100', 'relay.exposure=nodePort', 'relay.port=30200'],
  loadBalancer: [
    ...['sfu.exposure=loadBalancer', `sfu.loadBalancer.addresses=${addresses}`],
    ...['relay.exposure=loadBalancer', `relay.loadBalancer.addresses=${addresses}`],
  ],
} as const;
export const names = Object.keys(exposures) as (keyof typeof exposures)[];

/** Values that turn on what is off by default. */
export const everything = [
  ...['gateway.autoscaling.enabled=true', 'gateway.autoscaling.sessions=8000', 'gateway.tls.secretName=tls'],
  ...['gateway.allowedOrigins={https://a.example,https://b.example}', 'gateway.trustedProxies={10.0.0.0/8}'],
  ...['gateway.proxyProtocol=true', 'gateway.service.type=LoadBalancer', 'console.open=true', 'sfu.workers=3'],
  ...['sfu.dualStack=true', 'relay.dualStack=true', 'otlpEndpoint=http://collector:4318'],
  ...['ingress.enabled=true', 'ingress.host=calls.example', 'ingress.rest=true'],
  ...['ingress.tls.secretName=cert', 'ingress.tls.clusterIssuer=letsencrypt'],
  ...['httpRoute.enabled=true', 'httpRoute.parentRefs[0].name=edge', 'metrics.podMonitor=true'],
  'metrics.prometheusRule=true',
  ...['httpRoute.rest=true', 'registry.mirror.percent=10', 'registry.mirror.service=flotilla-shadow-registry'],
  ...['registry.mirror.namespace=flotilla-shadow', 'registry.mirror.istio=true', 'registry.capture.enabled=true'],
  ...['turn.enabled=true', 'turn.host=turn.example', 'turn.allowedPeers={203.0.113.1-203.0.113.9}'],
  ...['turn.tls.clusterIssuer=letsencrypt', 'turn.replicas=2'],
  ...['redis.persistence.enabled=true', 'rabbitmq.persistence.enabled=true', 'image.pullSecrets={registry}'],
];

/** Values that let the autoscaler set the number of SFU pods. */
export const scaled = (exposure: string): string[] =>
  exposure === 'loadBalancer' ? [] : ['sfu.autoscaling.enabled=true', 'sfu.autoscaling.watchNodes=true'];
