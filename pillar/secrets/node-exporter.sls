# Each server's own certificate, and who may ask node_exporter. The master has set the id here, not the minion.
{%- set own = 'sdb://vault/monitoring/' ~ grains['id'] %}
k8s_secrets:
  node_exporter:
    certificate: {{ own }}?certificate
    key: {{ own }}?key
    users:
      prometheus: sdb://vault/monitoring?prometheus_bcrypt
