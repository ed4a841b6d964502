"""Alerts on what must be there: isolation, replicas, gateways, answers without error."""

from __future__ import annotations

from deploy.monitoring.boards.overview import OUR_FAULT
from deploy.monitoring.rules.definition import Alert, Severity

ALERTS: tuple[Alert, ...] = (
    Alert(
        "OssatureCrossOrganizationHit",
        "sum by (namespace, model) (increase(ossature_cross_org_hits_total[10m])) > 0",
        "0m",
        Severity.CRITICAL,
        "A cached prompt prefix of one organization met a request of another.",
        "This must never happen. Take {{ $labels.model }} out of service, keep its logs, and report it.",
        "ossature-prompt-cache",
    ),
    Alert(
        "OssatureModelWithoutReplica",
        # As each gateway sees them that has ever seen one: those of a second cluster, beside the one that serves, have yet to.
        "min by (namespace, model) (ossature_replicas_ready and max_over_time(ossature_replicas_ready[1d]) > 0) < 1 "
        "or max by (namespace, model) (ossature_replicas_ready) < 1",
        "2m",
        Severity.CRITICAL,
        "No engine replica of {{ $labels.model }} is ready.",
        "Its requests get 503. See the logs of its engines, and `ossature status`.",
        "ossature-engines",
    ),
    Alert(
        "OssatureNoGateway",
        "absent(ossature_replicas_ready)",
        "2m",
        Severity.CRITICAL,
        "No gateway reports anything.",
        "All gateways are down, or no metrics endpoint can be scraped. The cluster's `/-/healthz` tells the two apart.",
        "ossature-overview",
    ),
    Alert(
        "OssatureGatewayDown",
        # A target that is still expected, and had gateways within the hour. One that was taken away is no longer in `up`.
        "(count by (namespace, instance) (present_over_time(ossature_replicas_ready[1h])) "
        "unless count by (namespace, instance) (ossature_replicas_ready)) and on (namespace, instance) up",
        "2m",
        Severity.CRITICAL,
        "The gateways of {{ $labels.instance }} are gone.",
        "They were there within the hour. Other nodes take their requests if there are any; see the node and its gateways' logs.",
        "ossature-overview",
    ),
    Alert(
        "OssatureIngressDown",
        # Where gateways are there is an HAProxy, once it has been up.
        "ossature_ingress_up == 0 and max_over_time(ossature_ingress_up[1h]) == 1 "
        "and on (namespace, instance) count by (namespace, instance) (ossature_replicas_ready)",
        "1m",
        Severity.CRITICAL,
        "Clients can't get in at {{ $labels.instance }}.",
        "Its gateways live, but HAProxy before them is dead or hangs. Other ingress nodes take the requests if there are any.",
        "ossature-overview",
    ),
    Alert(
        "OssatureMetricsEndpointDown",
        "up == 0 and on (namespace, instance) present_over_time(ossature_build_info[1d])",
        "5m",
        Severity.WARNING,
        "{{ $labels.instance }} can't be scraped.",
        "Nothing is known of the processes there, and no alert about them can fire.",
        "ossature-overview",
    ),
    Alert(
        "OssatureEngineDeaths",
        # Three or more: Prometheus' estimate of two may be a little above 2.
        "sum by (namespace, model) (increase(ossature_engine_deaths_total[30m])) > 2.5",
        "0m",
        Severity.WARNING,
        "Engines of {{ $labels.model }} stop again and again.",
        '{{ $value | printf "%.0f" }} in half an hour. Each is replaced; its requests in progress are lost. Their logs say why.',
        "ossature-engines",
    ),
    Alert(
        "OssatureErrors",
        f'sum by (namespace) (rate(ossature_errors_total{{code=~"{OUR_FAULT}"}}[10m])) > 0.02 and '
        f'sum by (namespace) (rate(ossature_errors_total{{code=~"{OUR_FAULT}"}}[10m])) '
        "/ sum by (namespace) (rate(ossature_requests_total[10m])) > 0.05",
        "5m",
        Severity.CRITICAL,
        "Requests fail through no fault of their callers.",
        '{{ $value | printf "%.2f" }} a second, more than one in twenty. ossature_errors_total tells them apart by code and model.',
        "ossature-overview",
    ),
    Alert(
        "OssatureKeysNotChecked",
        'sum by (namespace) (rate(ossature_authentication_failures_total{reason="unavailable"}[5m])) > 0',
        "2m",
        Severity.CRITICAL,
        "API keys can't be checked.",
        'Callers are turned away, {{ $value | printf "%.2f" }} a second: the database does not answer.',
        "ossature-overview",
    ),
)
