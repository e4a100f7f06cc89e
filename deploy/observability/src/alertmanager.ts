/** Stands for the address at which the files of this repository are read. */
export const repositoryUrl = 'https://repository.example';
/** Stands for the address of a search in the logs, up to its query in LogQL. */
export const logsUrl = 'https://logs.example/search?query=';

/**
 * The routes of alerts: pages go to PagerDuty by its Events API v2 and to the webhook, tickets to the webhook alone. The key of
 * PagerDuty is read from a file, so that this configuration holds no secret.
 */
export const alertmanagerConfig = {
  route: {
    receiver: 'webhook',
    group_by: ['alertname', 'namespace'],
    group_wait: '30s',
    group_interval: '5m',
    repeat_interval: '12h',
    routes: [
      {
        matchers: ['severity="page"'],
        receiver: 'pagerduty',
        group_wait: '10s',
        repeat_interval: '4h',
        continue: true,
      },
      { matchers: ['severity=~"page|ticket"'], receiver: 'webhook' },
    ],
  },
  inhibit_rules: [
    // A page says what the ticket of the same objective says.
    { source_matchers: ['severity="page"'], target_matchers: ['severity="ticket"'], equal: ['alertname', 'namespace'] },
  ],
  receivers: [
    {
      name: 'pagerduty',
      pagerduty_configs: [
        {
          routing_key_file: '/etc/alertmanager/secrets/pagerduty-routing-key',
          send_resolved: true,
          severity: 'critical',
          class: '{{ .CommonLabels.alertname }}',
          group: '{{ .CommonLabels.namespace }}',
          description: '{{ .CommonAnnotations.summary }}',
          links: [
            { href: `${repositoryUrl}/{{ .CommonAnnotations.runbook }}`, text: 'Runbook' },
            { href: `${logsUrl}{{ urlquery .CommonAnnotations.logs }}`, text: 'Logs' },
          ],
          details: {
            description: '{{ .CommonAnnotations.description }}',
            runbook: '{{ .CommonAnnotations.runbook }}',
            firing: '{{ .Alerts.Firing | len }}',
          },
        },
      ],
    },
    {
      name: 'webhook',
      webhook_configs: [{ url: 'http://alert-webhook:8080/alerts', send_resolved: true, max_alerts: 100 }],
    },
  ],
};
