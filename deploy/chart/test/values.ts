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

/** Values that turn on what is off by default, with clients that come by an ingress and a route. */
const behindProxies = [
  ...['gateway.autoscaling.enabled=true', 'gateway.autoscaling.sessions=8000', 'gateway.tls.secretName=tls'],
  ...['gateway.allowedOrigins={https://a.example,https://b.example}', 'gateway.trustedProxies={10.0.0.0/8}'],
  ...['gateway.service.type=LoadBalancer', 'console.open=true', 'sfu.workers=3'],
  ...['sfu.announce=externalIP', 'relay.announce=externalIP'],
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

/** Brokers of one's own, over TLS with certificates of their clients, and with a user for each service. */
const externalBrokers = ['redis', 'rabbitmq'].flatMap((broker) => [
  ...[`${broker}.enabled=false`, `${broker}.external.existingSecret=brokers`, `${broker}.external.userPerService=true`],
  ...[`${broker}.external.tls.secretName=${broker}-tls`, `${broker}.external.tls.clientCertificate=true`],
]);

/** Values that exclude some of these: a load balancer of the gateways that sends PROXY headers, TLS everywhere, one's own servers. */
const behindLoadBalancer = [
  ...['gateway.proxyProtocol=true', 'gateway.trustedProxies={10.0.0.0/8}', 'test.signalUrl=wss://calls.example'],
  ...[
    'gateway.service.type=LoadBalancer',
    'gateway.service.externalTrafficPolicy=Cluster',
    'gateway.tls.secretName=tls',
  ],
  ...[
    'registry.tls.clusterIssuer=internal-ca',
    'registry.tls.clientCertificates=true',
    'console.tls.secretName=console',
  ],
  ...[
    'console.prometheus.url=http://prometheus:9090',
    'console.service.type=NodePort',
    'console.service.nodePort=30082',
  ],
  ...[
    'networkPolicy.restFrom[0].ipBlock.cidr=198.51.100.0/24',
    'networkPolicy.metricsFrom[0].podSelector.matchLabels.a=b',
  ],
  ...['turn.external.urls={turn:other.example:3478}', 'secrets.existingSecret=mine'],
  ...['tokens.jwksUrl=https://id.example/keys', 'podLabels.team=calls', 'podAnnotations.team=calls'],
  ...externalBrokers,
];

/** Sets of values that have every option between them. */
export const everything = { 'behind proxies': behindProxies, 'behind a load balancer': behindLoadBalancer } as const;
export const sets = Object.keys(everything) as (keyof typeof everything)[];

/** A release that serves the mirrored REST requests of another, with options of components that it lacks. */
export const shadow = [
  ...['shadowOf=fl', 'brokerNamespace=fl-shadow', 'registry.capture.enabled=true', 'turn.enabled=true', 'turn.host=a'],
  ...[
    'turn.allowedPeers={203.0.113.1}',
    'registry.tls.clusterIssuer=internal-ca',
    'registry.tls.clientCertificates=true',
  ],
];

/** Values that let the autoscaler set the number of SFU pods. */
export const scaled = (exposure: string): string[] =>
  exposure === 'loadBalancer' ? [] : ['sfu.autoscaling.enabled=true', 'sfu.autoscaling.watchNodes=true'];

/** Each exposure with each set. */
export const combinations = names.flatMap((exposure) =>
  sets.map((set) => [exposure, set, [...exposures[exposure], ...everything[set], ...scaled(exposure)]] as const),
);
