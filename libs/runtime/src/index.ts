export {
  bare,
  decoded,
  parseRabbitMqUrl,
  pemText,
  type PemText,
  parseSentinelUrl,
  type RabbitMqUrl,
  type SentinelUrl,
} from './broker-urls.ts';
export { acceptConnections, type AcceptOptions, ConnectionRefused } from './accept-connections.ts';
export { AddressMap, type AddressState } from './address-map.ts';
export * from './address-prefix.ts';
export { AddressRates } from './address-rates.ts';
export * from './admin-server.ts';
export * from './bearer-token.ts';
export * from './client-connection.ts';
export * from './close-serving.ts';
export * from './address-settings.ts';
export * from './config.ts';
export * from './cpu-limit.ts';
export * from './fair-queue.ts';
export { fetchOverTls } from './fetch-over-tls.ts';
export * from './health.ts';
export * from './keyed-queue.ts';
export { countRefusedRequest, type RequestLimitOptions, retryAfter } from './limit-requests.ts';
export * from './listen-check.ts';
export * from './local-addresses.ts';
export * from './log.ts';
export * from './metrics.ts';
export { protectionOf, protectServer } from './protect-server.ts';
export * from './reload-secrets.ts';
export { checkRegistryTls, registryClientConfig, registryFetch } from './registry-client-config.ts';
export * from './retry.ts';
export { type CertificateFiles, ServerCertificate } from './server-certificate.ts';
export { ServerLimits, serverLimitsConfig, type ServerLimitsConfig } from './server-limits.ts';
export { certificateProblems, checkServerTls, serverCertificate } from './server-tls.ts';
export * from './service.ts';
export { StaticDocument } from './static-document.ts';
export * from './shared-bucket.ts';
export * from './token-bucket.ts';
export * from './tracing.ts';
